"""Compares a gateway's list of charges, refunds and disputes with the books for a period, both ways.

What the books lack and the gateway's own record explains can be settled at once, by the same verbs that answers and webhooks
go through; everything else is named for a person, with what to do. The gateway is asked outside any transaction.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from threading import Event
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import OperationalError
from django.db.models import Min, Sum

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.money.amount import ZERO
from tollbook.money.written import money
from tollbook.payments import captured, dispute, gateway, refund
from tollbook.payments.gateway import Charged, Dispute, Unreachable
from tollbook.payments.intent import PURPOSE
from tollbook.payments.tables import (
    OPEN_INTENTS,
    OPEN_REFUNDS,
    Disputed,
    DisputeState,
    IntentState,
    Payment,
    PaymentIntent,
    Refund,
    RefundState,
)
from tollbook.payments.told import Settle, Settlers

log = logging.getLogger(__name__)

CHARGES_BACK, DISPUTES_BACK = timedelta(days=2), timedelta(days=7)
"""How far back the worker's own comparison looks."""

MARGIN = timedelta(hours=1)
"""By how much a gateway's clock may differ from ours, and more."""

OPEN_BACK = timedelta(days=35)
"""How much further back it looks while a charge of then is still open here."""

OTHER_CURRENCY = "It is in another currency than the payment, so nothing is booked. See to it at the gateway; tell Support."
NOBODY: Settlers = {}
OURS: dict[str, Settle] = {
    PURPOSE: lambda account_id, our_id, answer, attempt: captured.settle(account_id, our_id, attempt, answer)
}
"""Who takes what became of charges of invoices. A second charge is put before a person, and never settled."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the gateway and the books don't agree about. `code` is stable, `says` what it is, `do` what to do.

    `account` is a short name, empty when nobody's. `charge` and `dispute` are the gateway's own record, when it has one.
    """

    code: str
    gateway: str
    reference: str
    account: str
    says: str
    do: str
    charge: Charged | None = None
    dispute: Dispute | None = None


@dataclass(slots=True)
class Report:
    """What a comparison of one gateway found. `foreign` counts charges there that are not of this installation."""

    gateway: str
    charges: int = 0
    disputes: int = 0
    foreign: int = 0
    captured: dict[str, Decimal] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)


def compare(name: str, since: datetime, until: datetime) -> Report:
    """Compare what the gateway `name` did in [since, until) with the books, and what the books have of then with it.

    Reads only; must not be called inside a transaction. Raises Invalid for a period that is none, gateway.Unreachable.
    """
    if since >= until:
        raise Invalid("The period ends after it begins.", field="until")
    report, slugs = Report(name), dict(Account.objects.values_list("id", "slug"))
    charges = list(gateway.charges(name, since, until))
    listed = {charge.reference for charge in charges}
    for charge in charges:
        report.differences += _compared(name, charge.reference, partial(_of_charge, report, charge, slugs))
    _name_second_charges(report, charges)
    for payment in _booked(name, since, until, slugs):
        if payment.charge_reference not in listed:
            differs = partial(_of_payment, payment, slugs)
            report.differences += _compared(name, payment.charge_reference, differs, slugs[payment.account_id])
    contested = set()
    for told in gateway.disputes(name, since, until):
        contested.add(told.reference)
        report.differences += _compared(name, told.reference, partial(_of_dispute, report, told, slugs))
    report.differences += _disputes_of_ours(name, since, until, contested, slugs)
    return report


def _compared(
    name: str, reference: str, differs: Callable[[], Iterable[Difference]], account: str = ""
) -> list[Difference]:
    """How one thing differs. One that can't be compared is a difference of its own, and keeps no other from its turn."""
    try:
        return list(differs())
    except (OperationalError, Unreachable):
        raise
    except Exception as error:
        log.exception("%s at %s can't be compared", reference, name)
        says = f"It could not be compared with the books: {type(error).__name__}."
        return [Difference("not_compared", name, reference, account, says, "Tell your engineers; the log says more.")]


def settle(differences: Iterable[Difference], settlers: Settlers = NOBODY) -> list[Difference]:
    """Settle what the gateway's own record explains; answers what is left for a person. Not inside a transaction.

    `settlers`: who takes what became of charges that were for other things than invoices.
    """
    tried = (_tried(one, settlers) for one in differences)
    return [left for left in tried if left is not None]


def catch_up(
    stop: Event | None = None,
    settlers: Settlers = NOBODY,
    open_since: Callable[[str], datetime | None] = lambda name: None,
) -> int:
    """What no webhook told: compare the last days with every gateway, settle, and ask what became of open disputes.

    `open_since` answers when the oldest open charge of whoever settles was sent to a gateway, which is compared from then
    on. Answers how many differences were settled; what is left is logged. A gateway that is away keeps no other from its
    turn.
    """
    now, done = datetime.now(UTC), 0
    for name in gateway.offered():
        if stop is not None and stop.is_set():
            break
        try:
            done += _catch_up(name, now, settlers, open_since(name))
        except Unreachable:
            log.warning("gateway %s can't be reached: nothing was compared", name)
        except OperationalError:
            raise  # the database is away: the next round compares
        except Exception:
            log.exception("gateway %s was not compared to the end", name)
    return done


def _catch_up(name: str, now: datetime, settlers: Settlers, open_since: datetime | None) -> int:
    found = compare(name, _begins(name, now, open_since), now).differences
    left = settle(found, settlers)
    for one in left:
        log.error("gateway %s and the books differ: %s", name, one.says, extra={"reference": one.reference})
    _disputes(name, now)
    return len(found) - len(left)


def _disputes(name: str, now: datetime) -> None:
    """Take what the gateway lists of the last days, and ask about those that are open here, each by itself."""
    for told in gateway.disputes(name, now - DISPUTES_BACK, now):
        _by_itself(told.reference, partial(dispute.take, name, told))
    for reference in list(Disputed.objects.filter(**_everybody(), **_open(name)).values_list("reference", flat=True)):
        _by_itself(reference, partial(dispute.refresh, name, reference))


def _by_itself(reference: str, work: Callable[[], object]) -> None:
    try:
        work()
    except (OperationalError, Unreachable):
        raise
    except LookupError:
        log.error("its gateway does not know dispute %s any more", reference)
    except Exception:
        log.exception("dispute %s can't be taken", reference)


def _begins(name: str, now: datetime, open_since: datetime | None) -> datetime:
    """Some days back, or as far as the oldest charge that is open here: it may have succeeded since."""
    payments = PaymentIntent.objects.filter(**_everybody(), gateway=name, state__in=OPEN_INTENTS)
    oldest = payments.aggregate(at=Min("charging_at"))["at"]
    begins = min(at for at in (now - CHARGES_BACK, open_since, oldest) if at is not None)
    return max(begins - MARGIN, now - OPEN_BACK)


def _open(name: str) -> dict[str, str]:
    return {"gateway": name, "state": str(DisputeState.OPEN)}


def _everybody() -> dict[str, list[UUID]]:
    return {"account_id__in": list(Account.objects.values_list("id", flat=True))}


def _tried(one: Difference, settlers: Settlers) -> Difference | None:
    """What is left of a difference: None once it is settled. One that fails keeps no other from its turn."""
    try:
        return None if _settled(one, settlers) else one
    except (OperationalError, Unreachable):
        raise
    except Exception as error:
        log.exception("the difference about %s at %s can't be settled", one.reference, one.gateway)
        return replace(one, do=f"Settling it failed ({type(error).__name__}); tell your engineers. {one.do}")


def _settled(one: Difference, settlers: Settlers) -> bool:
    if one.code in ("charge_not_booked", "charged_twice") and one.charge is not None:
        settle = (OURS | dict(settlers)).get(one.charge.purpose)
        return settle is not None and _taken(one.gateway, one.charge, settle)
    if one.code in ("dispute_not_booked", "dispute_differs") and one.dispute is not None:
        case = dispute.take(one.gateway, one.dispute)
        return case is not None and (case.state, case.fee) == (one.dispute.state, one.dispute.fee)
    if one.code == "refunds_differ" and one.charge is not None and one.charge.account_id is not None:
        return _refunds_asked(one.charge.account_id, one.gateway, one.charge)
    return False


def _taken(name: str, charge: Charged, settle: Settle) -> bool:
    """Let whoever it was for take it; whether it stands in the books now."""
    if charge.account_id is None or not _is_id(charge.our_id):
        return False
    try:
        settle(charge.account_id, UUID(charge.our_id), charge.answer, charge.attempt)
    except (ObjectDoesNotExist, NotFound):
        return False
    return _payment(charge.account_id, name, charge.reference) is not None


def _refunds_asked(account_id: UUID, name: str, charge: Charged) -> bool:
    """Ask what became of the refunds of this charge: one may have failed after it was accepted, and nobody told us."""
    payment = _payment(account_id, name, charge.reference)
    if payment is None:
        return False
    mine = Refund.objects.filter(account_id=account_id, payment_id=payment.id, state=RefundState.SUCCEEDED)
    for id in list(mine.values_list("id", flat=True)):
        refund.settle_by(account_id, id)
    booked = mine.all().aggregate(sum=Sum("amount"))["sum"] or ZERO
    return bool(booked == charge.refunded)


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False


def _of_charge(report: Report, charge: Charged, slugs: dict[UUID, str]) -> Iterator[Difference]:
    if charge.account_id is None or charge.account_id not in slugs:
        report.foreign += 1
        return
    report.charges += 1
    payment = _payment(charge.account_id, report.gateway, charge.reference)
    if charge.state == "succeeded":
        report.captured[charge.currency] = report.captured.get(charge.currency, ZERO) + charge.amount
        yield from _captured(report.gateway, charge, payment, slugs)
    elif payment is not None:
        yield Difference(
            "payment_not_captured",
            report.gateway,
            charge.reference,
            slugs[charge.account_id],
            f"The books have {_sum(payment)} received; the gateway says the charge is {charge.state}.",
            "Look the charge up at the gateway. If no money was taken, tell your engineers: the payment must be reversed.",
            charge,
        )


def _captured(name: str, charge: Charged, payment: Payment | None, slugs: dict[UUID, str]) -> Iterator[Difference]:
    slug, took = slugs[charge.account_id] if charge.account_id else "", money(charge.amount, charge.currency)
    if payment is None and charge.refunded >= charge.amount:
        return  # taken and given back there, past the books: nobody owes anybody anything
    if payment is None:
        says = f"The gateway took {took}; the books have no payment of it."
        yield Difference("charge_not_booked", name, charge.reference, slug, says, _what_to_do(charge), charge)
    elif (payment.amount, payment.currency) != (charge.amount, charge.currency):
        says = f"The gateway took {took}; the books have {_sum(payment)}."
        do = "Look the charge up at the gateway and tell your engineers: no answer of it should ever have been booked."
        yield Difference("amount_differs", name, charge.reference, slug, says, do, charge)
    else:
        yield from _refunds_differ(payment, charge, slug)


def _what_to_do(charge: Charged) -> str:
    if charge.purpose == PURPOSE:
        return "Settle it: the charge is of a payment that was asked for here."
    if charge.purpose == "refill":
        return "Settle it: the charge is of a refill that was decided here. What stays, look up on the desk's Refills."
    return "Find out what it was for; give it back at the gateway, or record it as a transfer."


def _refunds_differ(payment: Payment, charge: Charged, slug: str) -> Iterator[Difference]:
    mine = Refund.objects.filter(account_id=payment.account_id, payment_id=payment.id)
    if mine.filter(state__in=OPEN_REFUNDS).exists():
        return  # on its way: either side may be first
    booked = mine.filter(state=RefundState.SUCCEEDED).aggregate(sum=Sum("amount"))["sum"] or ZERO
    if booked == charge.refunded:
        return
    gave, have = money(charge.refunded, charge.currency), money(booked, charge.currency)
    do = (
        "It was given back at the gateway, past the desk: book it as a correction, and give back on the desk from now on."
        if charge.refunded > booked
        else "Settle it: a refund may have failed after it was accepted. What stays here then, look up at the gateway."
    )
    says = f"The gateway gave {gave} of {_sum(payment)} back; the books have {have}."
    yield Difference("refunds_differ", payment.gateway, payment.charge_reference, slug, says, do, charge)


def _name_second_charges(report: Report, charges: list[Charged]) -> None:
    """Say of charges which the books lack whether what they were for is paid by another charge already."""
    others = defaultdict(list)
    for charge in charges:
        others[charge.account_id, charge.purpose, charge.our_id].append(charge.reference)
    for place, one in enumerate(report.differences):
        if one.code == "charge_not_booked" and one.charge is not None:
            mine = others[one.charge.account_id, one.charge.purpose, one.charge.our_id]
            first = _first_charge(report.gateway, one.charge, mine)
            if first:
                report.differences[place] = _charged_twice(one, one.charge, first)


def _first_charge(name: str, charge: Charged, others: list[str]) -> str:
    """The charge by which the same was paid before, as far as the books have it; empty when there is none."""
    if charge.account_id is None or not _is_id(charge.our_id):
        return ""
    if charge.purpose == PURPOSE:
        mine = PaymentIntent.objects.filter(account_id=charge.account_id, id=charge.our_id, state=IntentState.SUCCEEDED)
        return next(iter(mine.exclude(charge_reference=charge.reference).values_list("charge_reference", flat=True)), "")
    booked = Payment.objects.filter(account_id=charge.account_id, gateway=name, charge_reference__in=others)
    return next(iter(booked.values_list("charge_reference", flat=True)), "")


def _charged_twice(one: Difference, charge: Charged, first: str) -> Difference:
    took = money(charge.amount, charge.currency)
    says = f"The gateway took {took} a second time for what {first} had paid; the books have no payment of it."
    return replace(one, code="charged_twice", says=says, do="Give it back at the gateway; it is not to be booked.")


def _of_payment(payment: Payment, slugs: dict[UUID, str]) -> Iterator[Difference]:
    """A payment of the period whose charge was made before it, or is not there at all."""
    slug = slugs[payment.account_id]
    try:
        charge = gateway.charged(payment.gateway, payment.charge_reference)
    except LookupError:
        says = f"The books have {_sum(payment)} received; the gateway has no such charge."
        do = "Look the reference up at the gateway. If it is not there, somebody booked what was never paid."
        yield Difference("payment_not_at_gateway", payment.gateway, payment.charge_reference, slug, says, do)
        return
    if charge.account_id is not None and charge.account_id != payment.account_id:
        says = f"{_sum(payment)} is booked for {slug}; the gateway has it for {slugs.get(charge.account_id, 'another')}."
        do = "Look the charge up at the gateway: it belongs to one of them."
        yield Difference("account_differs", payment.gateway, payment.charge_reference, slug, says, do, charge)
    elif charge.state == "succeeded":
        yield from _captured(payment.gateway, charge, payment, slugs | {payment.account_id: slug})


def _booked(name: str, since: datetime, until: datetime, slugs: dict[UUID, str]) -> Iterator[Payment]:
    """Payments received in the period, and those of which something was given back in it, of every account."""
    everybody = {"account_id__in": list(slugs), "gateway": name}
    received = Payment.objects.filter(**everybody, received_at__gte=since, received_at__lt=until)
    yield from received.order_by("received_at", "id")
    refunds = Refund.objects.filter(account_id__in=list(slugs), finished_at__gte=since, finished_at__lt=until)
    given = set(refunds.filter(state=RefundState.SUCCEEDED).values_list("payment_id", flat=True))
    yield from Payment.objects.filter(**everybody, id__in=given).exclude(received_at__gte=since, received_at__lt=until)


def _of_dispute(report: Report, told: Dispute, slugs: dict[UUID, str]) -> Iterator[Difference]:
    payment = dispute.payment_of(report.gateway, told.charge_reference)
    if payment is None:
        return  # of a charge that is none of ours, or that is named already as not booked
    report.disputes += 1
    if told.currency != payment.currency:
        says = f"A dispute about {money(told.amount, told.currency)} of a payment of {_sum(payment)} is {told.state}."
        difference = "dispute_currency", report.gateway, told.reference, slugs[payment.account_id], says, OTHER_CURRENCY
        yield Difference(*difference, dispute=told)
        return
    mine = Disputed.objects.filter(account_id=payment.account_id, gateway=report.gateway, reference=told.reference)
    yield from _dispute_differs(report.gateway, told, mine.first(), slugs[payment.account_id])


def _dispute_differs(name: str, told: Dispute, case: Disputed | None, slug: str) -> Iterator[Difference]:
    about = f"A dispute about {money(told.amount, told.currency)}"
    if case is None:
        says, do = f"{about} is {told.state} at the gateway; the books don't know of it.", "Settle it."
        yield Difference("dispute_not_booked", name, told.reference, slug, says, do, dispute=told)
    elif (case.state, case.amount, case.currency, case.fee) != (told.state, told.amount, told.currency, told.fee):
        have = f"{case.state}, {money(case.amount, case.currency)}, fee {money(case.fee, case.currency)}"
        says = f"{about} is {told.state}, fee {money(told.fee, told.currency)} at the gateway; the books have {have}."
        do = "Settle it. What stays here then needs a person."
        yield Difference("dispute_differs", name, told.reference, slug, says, do, dispute=told)


def _disputes_of_ours(
    name: str, since: datetime, until: datetime, listed: set[str], slugs: dict[UUID, str]
) -> Iterator[Difference]:
    mine = Disputed.objects.filter(account_id__in=list(slugs), gateway=name, opened_at__gte=since, opened_at__lt=until)
    for case in mine.exclude(reference__in=listed):
        says = f"The books have a dispute about {money(case.amount, case.currency)}; the gateway does not list it."
        do = "Look it up at the gateway; if it is not there, tell your engineers."
        yield Difference("dispute_not_at_gateway", name, case.reference, slugs[case.account_id], says, do)


def _payment(account_id: UUID, name: str, reference: str) -> Payment | None:
    return Payment.objects.filter(account_id=account_id, gateway=name, charge_reference=reference).first()


def _sum(payment: Payment) -> str:
    return money(payment.amount, payment.currency)
