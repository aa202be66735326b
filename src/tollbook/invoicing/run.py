"""The month's invoices from subscriptions: every account, each period once, however often and by how many this is run.

Rules. A period is invoiced on its first day, in advance, with the recurring fees in force on that day and every setup
fee that has begun and was not billed before (subscriptions/fees.py); so a change of quantity in mid-period is billed
from the next period on, and nothing is prorated. A period without fees has no invoice; one with free fees only has one
of zero. Periods that were missed are caught up, oldest first, for at most `CATCH_UP` periods back: an older gap is
reported and left to a person, because nobody expects last year's invoices tomorrow. An invoice bears the day it is made
on, not the day it was missed, so that its terms are the customer's to use.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event
from uuid import UUID

from django.db import DatabaseError

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, Refused
from tollbook.invoicing.issue import AlreadyIssued, Draft, DraftLine, issue
from tollbook.invoicing.tables import Invoice, InvoiceKind, InvoiceLine
from tollbook.money.amount import ZERO
from tollbook.money.period import Period, period_number, period_of
from tollbook.postgres.retry import in_transaction
from tollbook.subscriptions.fees import Fee, billing_day, in_force, of_account
from tollbook.subscriptions.tables import FeeKind

log = logging.getLogger(__name__)

CATCH_UP = 12
"""How many periods back, the running one included, are invoiced without a person."""

RECURRING, SETUP = "revenue:recurring", "revenue:setup"
_REVENUE = {FeeKind.RECURRING: RECURRING, FeeKind.SETUP: SETUP}
_DETAIL = {FeeKind.RECURRING: "Monthly fee, charged in advance", FeeKind.SETUP: "Setup fee, charged once"}

Progress = Callable[[int, int], None]
"""Called with how many accounts are done, and of how many."""


@dataclass(slots=True)
class Report:
    """What a run did. `totals` are by currency; `failed` and `too_old` name accounts by slug."""

    accounts: int = 0
    issued: list[str] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    too_old: dict[str, int] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """The report as text for people, one fact a line."""
        sums = ", ".join(f"{total:,} {currency}" for currency, total in sorted(self.totals.items()))
        lines = [f"{len(self.issued)} invoices issued for {self.accounts} accounts" + (f": {sums}." if sums else ".")]
        lines += [
            f"{slug}: {count} periods older than {CATCH_UP} months have no invoice; --until with their day issues them."
            for slug, count in sorted(self.too_old.items())
        ]
        return lines + [f"{slug}: not finished: {reason}" for slug, reason in sorted(self.failed.items())]


def bill(until: date | None = None, progress: Progress = lambda done, count: None, stop: Event | None = None) -> Report:
    """Invoice, for every active account, every period begun by its local today, or by the earlier day `until`.

    With `until`, invoices bear that day. One transaction for each invoice; locks as `issue`. What fails for one account is
    reported and keeps no other from its invoices; `stop` ends the run between two accounts, and the next one goes on.
    Must not be called inside a transaction. Raises Invalid when `until` is still to come everywhere.
    """
    _refuse_future(until)
    accounts = list(Account.objects.filter(is_active=True).order_by("id"))
    report = Report()
    for done, account in enumerate(accounts, 1):
        if stop and stop.is_set():
            break
        report.accounts += 1
        try:
            _bill_account(account, min(until or today_in(account), today_in(account)), report)
        except (Refused, DatabaseError) as error:
            log.exception("billing run failed", extra={"account": account.slug})
            report.failed[account.slug] = str(error)
        progress(done, len(accounts))
    return report


def bill_period(account: Account, period: Period, day: date) -> Invoice | None:
    """The invoice of one period, dated `day`; None when there is nothing to bill or it exists. Own transaction."""
    try:
        return in_transaction(lambda: _issue(account, period, day))
    except AlreadyIssued:
        return None


def cause_of(period: Period) -> str:
    """Names a period as the cause of its invoice, which the database allows once: `period:2026-11-03`."""
    return f"period:{period.start_on.isoformat()}"


def _bill_account(account: Account, day: date, report: Report) -> None:
    missed = _missed(account, day)
    recent = [period for period in missed if period.index > period_of(account.anchor_on, day).index - CATCH_UP]
    if len(missed) > len(recent):
        report.too_old[account.slug] = len(missed) - len(recent)
    for period in recent:
        invoice = bill_period(account, period, day)
        if invoice is not None:
            report.issued.append(invoice.number)
            report.totals[invoice.currency] = report.totals.get(invoice.currency, ZERO) + invoice.total


def _missed(account: Account, day: date) -> list[Period]:
    """Periods begun by `day` that have no invoice though they should, oldest first; bounded by arithmetic on days.

    A past period is missed when recurring fees were in force; a setup fee alone waits for the running one.
    """
    fees = of_account(account)
    if not fees:
        return []
    first = period_of(account.anchor_on, billing_day(account.anchor_on, min(fee.starts_on for fee in fees)))
    running = period_of(account.anchor_on, day)
    begun = [period_number(account.anchor_on, index) for index in range(first.index, running.index + 1)]
    causes = set(
        Invoice.objects.filter(account_id=account.id, kind=InvoiceKind.RECURRING).values_list("cause", flat=True)
    )
    open_periods = [period for period in begun if cause_of(period) not in causes]
    return [period for period in open_periods if period == running or _recurring(fees, period)]


def _issue(account: Account, period: Period, day: date) -> Invoice | None:
    fees = of_account(account)
    due = _due(fees, _billed_setup(account.id, fees), period)
    if not due:
        return None
    lines = [_line(fee) for fee in due]
    draft = Draft(str(InvoiceKind.RECURRING), cause_of(period), day, lines, period=period, actor=SYSTEM.name)
    return issue(account, draft)


def _due(fees: Sequence[Fee], billed: set[UUID], period: Period) -> list[Fee]:
    """What a period's invoice consists of: recurring fees first, then setup fees."""
    setup = [fee for fee in fees if fee.kind == FeeKind.SETUP and fee.subscription_id not in billed]
    return _recurring(fees, period) + [fee for fee in setup if fee.starts_on <= period.start_on]


def _recurring(fees: Sequence[Fee], period: Period) -> list[Fee]:
    return [fee for fee in fees if fee.kind == FeeKind.RECURRING and in_force(fee, period.start_on)]


def _billed_setup(account_id: UUID, fees: Iterable[Fee]) -> set[UUID]:
    setup = [fee.subscription_id for fee in fees if fee.kind == FeeKind.SETUP]
    lines = InvoiceLine.objects.filter(account_id=account_id, revenue_code=SETUP, subscription_id__in=setup)
    return set(lines.values_list("subscription_id", flat=True)) if setup else set()


def _line(fee: Fee) -> DraftLine:
    return DraftLine(
        description=fee.name,
        detail=_DETAIL[fee.kind],
        quantity=fee.quantity,
        unit_price=fee.price,
        amount=fee.total,
        revenue_code=_REVENUE[fee.kind],
        subscription_id=fee.subscription_id,
    )


def _refuse_future(until: date | None) -> None:
    if until and until > datetime.now(UTC).date() + timedelta(days=1):
        raise Invalid(f"{until} is still to come: an invoice is never issued before its day.", field="until")
