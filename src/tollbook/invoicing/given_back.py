"""Days given back and credit notes know of each other: what a period was charged is given back once.

Rule. The lines of one period of one subscription (its fee, its discount, what changes gave back and added) stand together.
Less what credit notes took of them, they never come to less than zero: what is given back for days is limited to what credit
notes have left, and a credit note to what days given back have left. A line that is left out for that is looked at by every
run, and billed once the period was charged more; of one that was billed in part, the rest is for a person. Where no credit
note took anything, nothing is limited: days are given back for what they cost.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from uuid import UUID

import msgspec

from tollbook.invoicing.tax import Treatment
from tollbook.money.amount import HUNDRED, ZERO, minor_unit
from tollbook.money.written import money
from tollbook.postgres.named import load
from tollbook.postgres.prepared import execute
from tollbook.subscriptions.charge import Charge, Due
from tollbook.subscriptions.lines import LONGEST

SQL = load(__file__)
BACK, OFF = ":back", ":off"
"""How causes end of what gives days back, and of the discount on it that is taken back."""

CHANGE = "change:"
"""How causes begin of what a change gives back and adds; a period's fee and its discount give nothing back."""

Stretch = tuple[UUID, UUID, str]
"""A period of a subscription: account, subscription, and the period's first day as causes write it."""

Borne = Mapping[tuple[UUID, str], Treatment]
Unbilled = Callable[[Collection[UUID]], Iterable[Charge]]
"""Asked of accounts: all that is recorded and not billed, also what falls due later."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What invoices charged a period, net of tax, and what credit notes took of that."""

    charged: Decimal
    credited: Decimal
    has_fee: bool = True

    @property
    def left(self) -> Decimal:
        """What a credit note can still take."""
        return max(ZERO, self.charged - self.credited)


def gives(charge: Charge, causes: Container[str]) -> bool:
    """Whether a line gives back of what other lines charged, or takes back the discount on that: not so the discount on a
    fee that is charged anew beside it, whose cause is among `causes`.
    """
    if not charge.cause.startswith(CHANGE):
        return False
    return BACK in charge.cause or (charge.cause.endswith(OFF) and charge.cause.removesuffix(OFF) not in causes)


def stretch_of(account_id: UUID, subscription_id: UUID | None, cause: str) -> Stretch | None:
    """The period that a line is of; None for what is charged once, or by hand."""
    what, *rest = cause.split(":")
    if subscription_id is None or what not in ("fee", "change") or len(rest) < 2:
        return None
    return account_id, subscription_id, rest[1]


def standing(wanted: Collection[tuple[UUID, UUID]]) -> dict[Stretch, Standing]:
    """How the periods of these (account, subscription) stand. Reads only; the portal's role may."""
    columns = {"account_ids": [id for id, _ in wanted], "subscription_ids": [of for _, of in wanted]}
    rows = execute(SQL["standing"], columns) if wanted else ()
    return {(id, of, begins_on): Standing(*sums) for id, of, begins_on, *sums in rows}


def limited(
    dues: Mapping[UUID, Sequence[Due]], billed: Mapping[UUID, Container[str]], borne: Borne, unbilled: Unbilled,
    currencies: Mapping[UUID, str],
) -> dict[UUID, Sequence[Due]]:
    """What falls due, with what is given back limited by the rule; the same where no credit note took anything.

    `borne` says how what is given back was taxed, by account and cause: where prices include tax, the rule is kept for what
    they are without it.
    """
    giving = {
        (charge.account_id, charge.subscription_id)
        for charge in _open(dues, billed)
        if charge.amount < 0 and charge.subscription_id and charge.cause.startswith(CHANGE)
    }
    stood = {key: one for key, one in standing(giving).items() if one.credited and one.has_fee}
    if not stood:
        return dict(dues)
    with_tax = _with_tax(_open(dues, billed), borne)
    excess = over(stood, unbilled({key[0] for key in stood}), with_tax)
    changed = dict(dues)
    for id in {key[0] for key, amount in excess.items() if amount >= minor_unit(currencies[key[0]])}:
        mine = [charge for due in dues[id] for charge in due.charges if charge.cause not in billed.get(id, ())]
        other = cut(mine, excess, with_tax, currencies[id])
        changed[id] = [_replaced(due, other) for due in dues[id]]
    return changed


def over(
    stood: Mapping[Stretch, Standing], unbilled: Iterable[Charge], with_tax: Mapping[Stretch, Decimal]
) -> dict[Stretch, Decimal]:
    """By how much the periods would come to less than zero, net of tax, once all of `unbilled` is billed."""
    sums: dict[Stretch, Decimal] = defaultdict(lambda: ZERO)
    for charge in unbilled:
        key = stretch_of(charge.account_id, charge.subscription_id, charge.cause)
        if key and key in stood:
            sums[key] += charge.amount / with_tax.get(key, Decimal(1))
    return {
        key: one.credited - one.charged - sums[key] for key, one in stood.items() if one.credited > one.charged + sums[key]
    }


def cut(
    charges: Sequence[Charge], excess: Mapping[Stretch, Decimal], with_tax: Mapping[Stretch, Decimal], currency: str
) -> dict[str, Charge | None]:
    """What takes the place of charges, by cause, so that `excess` is not given back; None: it is left out, and with it the
    discount that would be taken back beside it.
    """
    unit = minor_unit(currency)
    left = {
        key: (amount * with_tax.get(key, Decimal(1))).quantize(unit, ROUND_CEILING) for key, amount in excess.items()
    }
    offs = {charge.cause: charge.amount for charge in charges}
    found: dict[str, Charge | None] = {}
    for charge in charges:
        key = stretch_of(charge.account_id, charge.subscription_id, charge.cause)
        if charge.amount >= 0 or not charge.cause.startswith(CHANGE) or key is None or left.get(key, ZERO) <= 0:
            continue
        beside = offs.get(charge.cause + OFF, ZERO) if charge.cause.endswith(BACK) else ZERO
        gives = -charge.amount - beside
        if left[key] >= gives:
            found |= {charge.cause: None, charge.cause + OFF: None} if beside else {charge.cause: None}
            left[key] -= gives
        else:
            found[charge.cause] = _less(charge, left[key], currency)
            left[key] = ZERO
    return found


def note(account_id: UUID, credit_note_id: UUID, causes: Sequence[str]) -> None:
    """Say for ever that a credit note bears these causes. Transaction: the caller's, which issues it."""
    execute(SQL["note"], {"account_id": account_id, "credit_note_id": credit_note_id, "causes": list(causes)})


def _open(dues: Mapping[UUID, Sequence[Due]], billed: Mapping[UUID, Container[str]]) -> list[Charge]:
    return [
        charge
        for id, all_due in dues.items()
        for due in all_due
        for charge in due.charges
        if charge.cause not in billed.get(id, ())
    ]


def _with_tax(charges: Iterable[Charge], borne: Borne) -> dict[Stretch, Decimal]:
    """Of periods whose prices included tax: what a price is of its net amount."""
    found = {}
    for charge in charges:
        treated = borne.get((charge.account_id, charge.cause))
        key = stretch_of(charge.account_id, charge.subscription_id, charge.cause)
        if key and treated and treated.is_inclusive and treated.rate:
            found[key] = (HUNDRED + treated.rate) / HUNDRED
    return found


def _replaced(due: Due, other: Mapping[str, Charge | None]) -> Due:
    kept = [other.get(charge.cause, charge) for charge in due.charges]
    return due._replace(charges=[charge for charge in kept if charge is not None])


def _less(charge: Charge, by: Decimal, currency: str) -> Charge:
    """The line with the amount that is left, which is less than zero still."""
    amount = charge.amount + by
    said = f"; less {money(by, currency)} that a credit note gave back already"
    detail = charge.detail[: LONGEST - len(said)] + said
    return msgspec.structs.replace(charge, quantity=Decimal(-1), unit_price=-amount, amount=amount, detail=detail)
