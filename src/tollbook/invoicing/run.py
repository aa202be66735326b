"""The invoices of subscriptions: every account, everything due, each charge once, however often and by how many this is run.

Rules. What is due on a billing day is one invoice (subscriptions/due.py says what, each charge by a lasting cause), and
what was billed before, by its cause, is left out. Days that were missed are caught up, oldest first, as far back as
`CATCH_UP` periods: an older one is reported and left to a person, because nobody expects last year's invoices tomorrow.
Lines that were recorded late for a day that has its invoice get one of their own. What comes to less than zero, its tax
counted, waits for the next invoice that it can be taken off. What credit notes gave back already is not given back again
(given_back.py). An invoice bears the day it is made on, not the day it was
missed, so that its terms are the customer's to use.

How. A run is a row, and so is each of its parts, a stretch of accounts. A worker takes a part that nobody works on, bills
all its accounts in a few statements and marks it done, all in one transaction; killed anywhere, the part is free again and
whole. Any number of workers share a run by joining it. What can't be done for one account is left to it alone.
"""

import json
import logging
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from threading import Event
from uuid import UUID

from django.db import DatabaseError, OperationalError, connection, transaction

from tollbook.accounts.account import today_in
from tollbook.accounts.audit import SYSTEM
from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, Refused
from tollbook.invoicing import given_back, tax
from tollbook.invoicing.given_back import Borne
from tollbook.invoicing.issue import Draft, DraftLine, Issued, comes_to, issue_all
from tollbook.invoicing.tables import InvoiceKind
from tollbook.invoicing.tax import Buyer, Treatment
from tollbook.money.amount import ZERO
from tollbook.money.period import period_number, period_of
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.prepared import execute
from tollbook.postgres.retry import in_transaction
from tollbook.subscriptions import due
from tollbook.subscriptions.charge import Charge, Due
from tollbook.subscriptions.preview import Adjust

SQL = load(__file__)
log = logging.getLogger(__name__)

CATCH_UP = 12
"""How many monthly periods back, the running one included, are invoiced without a person."""

PART = 500
"""Accounts that are billed together, in one transaction."""

EARLIEST = timezone(timedelta(hours=-12))
"""Where a day begins last."""

TOGETHER = timedelta(seconds=10)
"""A run that began so shortly before is as good as one's own; after an older one, another looks at what it missed."""

KEPT = timedelta(days=30)
"""How long runs are remembered that issued nothing."""

LATEST = timedelta(days=400)
"""How long after a run the last of what was recorded by then of a period that has begun falls due."""

Progress = Callable[[int, int], None]
"""Called with how many accounts are done, and of how many."""


@dataclass(slots=True)
class Report:
    """What a run did. `totals` are by currency; `failed`, `too_old`, `waiting` and `left_out` name accounts by slug."""

    accounts: int = 0
    issued: list[str] = field(default_factory=list)
    totals: dict[str, Decimal] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    too_old: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, Decimal] = field(default_factory=dict)
    left_out: dict[str, Decimal] = field(default_factory=dict)

    def sentences(self) -> list[str]:
        """The report as text for people, one fact a line."""
        sums = ", ".join(f"{total:,} {currency}" for currency, total in sorted(self.totals.items()))
        lines = [f"{len(self.issued)} invoices issued for {self.accounts} accounts" + (f": {sums}." if sums else ".")]
        lines += [
            f"{slug}: {count} periods older than {CATCH_UP} months have no invoice; --until with their day issues them."
            for slug, count in sorted(self.too_old.items())
        ]
        lines += [
            f"{slug}: {-amount} to give back, more than there is to bill; it is taken off the next invoice."
            for slug, amount in sorted(self.waiting.items())
        ]
        lines += [
            f"{slug}: {amount} of days are not given back, because credit notes gave it back already."
            for slug, amount in sorted(self.left_out.items())
        ]
        return lines + [f"{slug}: not finished: {reason}" for slug, reason in sorted(self.failed.items())]

    def add(self, other: "Report") -> None:
        """Take in what a part did."""
        self.accounts += other.accounts
        self.issued += other.issued
        for currency, total in other.totals.items():
            self.totals[currency] = self.totals.get(currency, ZERO) + total
        self.failed |= other.failed
        self.too_old |= other.too_old
        self.waiting |= other.waiting
        self.left_out |= other.left_out


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice to be: whose, and what."""

    account: Account
    draft: Draft


@dataclass(frozen=True, slots=True)
class _Run:
    id: UUID
    started_at: datetime
    until: date | None
    since: datetime | None
    incomplete: frozenset[UUID]


@dataclass(slots=True)
class _Found:
    """What there is to bill for some accounts, and what is left: by account id. `held` are the lines of what is `waiting`,
    `left_out` is what credit notes gave back already; `borne` says how what is given back was taxed.
    """

    papers: list[Paper] = field(default_factory=list)
    too_old: dict[UUID, int] = field(default_factory=dict)
    waiting: dict[UUID, Decimal] = field(default_factory=dict)
    held: dict[UUID, list[Charge]] = field(default_factory=dict)
    left_out: dict[UUID, Decimal] = field(default_factory=dict)
    borne: Borne = field(default_factory=dict)


def bill(
    until: date | None = None,
    progress: Progress = lambda done, count: None,
    stop: Event | None = None,
    part_size: int = PART,
) -> Report:
    """Invoice, for every active account, all that is due by its local today, or by the earlier day `until`.

    Answers what this worker did; others may share the run. With `until`, invoices bear that day. A transaction for each
    part of `part_size` accounts; locks its row, its accounts, and the series as `issue`. `stop` ends it between two parts,
    and the next run goes on. Must not be called inside a transaction. Raises Invalid when `until` is still to come.
    """
    _refuse_future(until)
    began_at, report = datetime.now(UTC), Report()
    while not (stop and stop.is_set()):
        run = in_transaction(lambda: _open(until, part_size))
        while not (stop and stop.is_set()) and (did := _part(run)) is not None:
            report.add(did)
            progress(*_done(run))
        execute(SQL["finish"], {"run_id": run.id})
        if run.started_at >= began_at - TOGETHER:
            break
    return report


def forget_old(age: timedelta = KEPT) -> int:
    """Forget runs of long ago that issued nothing and failed for nobody, but not the last complete one; answers how many."""
    execute(SQL["forget_parts"], {"age": age})
    return execute(SQL["forget_runs"], {"age": age}).rowcount


def find(
    accounts: Sequence[Account],
    days: Mapping[UUID, date],
    since: Mapping[UUID, date] | None = None,
    source: tax.Source | None = None,
) -> _Found:
    """What is to be invoiced for these accounts by their days `days[account.id]`, each on that day, oldest first.

    `source` says how it is taxed; without it, the rules of the desk. Transaction: the caller's, who holds the rows of the
    accounts, or may be told what is billed by the time it is read.
    """
    dues: Mapping[UUID, Sequence[Due]] = due.charges(accounts, days, since)
    source = source or tax.rules()
    billed = _billed(dues)
    borne = _borne(dues, billed, source)
    found, papers = _Found(borne=borne), []
    dues = _limited(accounts, days, dues, billed, borne, found)
    for account in accounts:
        known = billed.get(account.id, set())
        recent = _recent(account, days[account.id], dues.get(account.id, ()), known, found)
        total = partial(_total, account, days[account.id], source, borne)
        ready, waiting = due.billable(recent, known, total)
        papers += [(account, one) for one in ready]
        if waiting:
            found.waiting[account.id] = total(waiting)
            found.held[account.id] = waiting
    named = _named([(account.id, one.cause) for account, one in papers])
    found.papers = [Paper(account, _draft(one, days[account.id], named, borne)) for account, one in papers]
    return found


def as_billed(account: Account) -> Adjust:
    """For previews (subscriptions.preview): leaves out what is billed, and what credit notes gave back already. Reads only;
    the portal's role may.
    """

    def adjusted(groups: Sequence[Due]) -> Sequence[Due]:
        dues = {account.id: groups}
        if all(charge.amount >= 0 for charge in _charges(dues)):
            return groups
        billed = _billed(dues)
        known = billed.get(account.id, set())
        rest = [one._replace(charges=[charge for charge in one.charges if charge.cause not in known]) for one in groups]
        open_ones = {account.id: [one for one in rest if one.charges]}
        borne = _borne(open_ones, billed, tax.rules())
        currencies = {account.id: account.currency}
        limited = given_back.limited(open_ones, {}, borne, lambda ids: _charges(open_ones), currencies)
        return [one for one in limited[account.id] if one.charges]

    return adjusted


def _open(until: date | None, part_size: int) -> _Run:
    """A run of its own, or the one that is under way. Transaction: the caller's."""
    wanted = {"id": new_id(), "until_on": until, "is_review": False, "started_by": SYSTEM.name}
    last = execute(SQL["last_complete"]).fetchone() if until is None else None
    since, incomplete = (last[0], frozenset(last[1])) if last else (None, frozenset())
    row = execute(SQL["open_run"], wanted).fetchone()
    if row is not None:
        execute(SQL["plan"], {"run_id": row[0], "size": part_size})
    else:
        row = execute(SQL["joined_run"], wanted).fetchone()
        if row is None:
            raise OperationalError("the run that was under way has just ended; one is opened anew")
    return _Run(row[0], row[1], until, since, incomplete)


def _part(run: _Run) -> Report | None:
    """Bill one part; None when there is none left. Own transaction; when it fails, again, account by account."""
    try:
        return in_transaction(lambda: _bill_part(run, _together))
    except (Refused, DatabaseError):
        log.warning("a part of the billing run failed; its accounts are billed one by one", exc_info=True)
        return in_transaction(lambda: _bill_part(run, _one_by_one))


def _bill_part(run: _Run, work: Callable[[Sequence[Account], _Run, Report], None]) -> Report | None:
    wanted = {"run_id": run.id}
    claimed = execute(SQL["claim"], wanted).fetchone() or execute(SQL["wait"], wanted).fetchone()
    if claimed is None:
        return None
    part, first_id, last_id = claimed
    execute(SQL["lock_accounts"], {"first_id": first_id, "last_id": last_id})
    accounts = list(Account.objects.filter(is_active=True, id__gte=first_id, id__lte=last_id).order_by("id"))
    report = Report(accounts=len(accounts))
    work(accounts, run, report)
    execute(
        SQL["done"], wanted | {"part": part, "invoices": len(report.issued), "told": json.dumps(_told(accounts, report))}
    )
    return report


def _together(accounts: Sequence[Account], run: _Run, report: Report) -> None:
    days = {account.id: min(run.until or today, today) for account in accounts if (today := today_in(account))}
    source = tax.rules()
    found = find(accounts, days, _since(accounts, run), source)
    slugs = {account.id: account.slug for account in accounts}
    report.too_old |= {slugs[id]: count for id, count in found.too_old.items()}
    report.waiting |= {slugs[id]: amount for id, amount in found.waiting.items()}
    report.left_out |= {slugs[id]: amount for id, amount in found.left_out.items()}
    if found.papers:
        _tell(report, issue_all([(paper.account, paper.draft) for paper in found.papers], source))


def _one_by_one(accounts: Sequence[Account], run: _Run, report: Report) -> None:
    for account in accounts:
        try:
            with transaction.atomic():
                _together([account], run, report)
        except OperationalError:
            raise
        except (Refused, DatabaseError) as error:
            log.exception("billing run failed", extra={"account": account.slug})
            report.failed[account.slug] = str(error)


def _tell(report: Report, issued: Sequence[Issued]) -> None:
    for one in issued:
        report.issued.append(one.number)
        report.totals[one.currency] = report.totals.get(one.currency, ZERO) + one.total


def _told(accounts: Sequence[Account], report: Report) -> dict[str, object]:
    """What a part leaves behind in writing: sums, and whatever is not complete."""
    ids = {account.slug: str(account.id) for account in accounts}
    left = {*report.failed, *report.too_old, *report.waiting, *report.left_out}
    told: dict[str, object] = {
        "totals": {currency: str(total) for currency, total in report.totals.items()},
        "failed": report.failed,
        "too_old": report.too_old,
        "waiting": {slug: str(amount) for slug, amount in report.waiting.items()},
        "left_out": {slug: str(amount) for slug, amount in report.left_out.items()},
        "incomplete": [ids[slug] for slug in sorted(left)],
    }
    return {name: value for name, value in told.items() if value}


def _since(accounts: Sequence[Account], run: _Run) -> dict[UUID, date]:
    """From which local day on each account must be looked at: before, the last complete run billed what was known.

    The day it was then where it was earliest, whatever the account's time zone is now: what was recorded later may bear a
    day of the zone of that moment.
    """
    if run.since is None:
        return {}
    day = run.since.astimezone(EARLIEST).date()
    return {account.id: day for account in accounts if account.id not in run.incomplete}


def _recent(
    account: Account, day: date, dues: Sequence[Due], billed: Container[str], found: _Found
) -> list[Due]:
    """What is not too old to be billed without a person; the rest is counted, by billing days."""
    if not dues:
        return []
    oldest_on = period_number(account.anchor_on, period_of(account.anchor_on, day).index - CATCH_UP + 1).start_on
    old = [one for one in dues if one.bill_on < oldest_on]
    missed = [one for one in old if any(charge.cause not in billed for charge in one.charges)]
    if missed:
        found.too_old[account.id] = len(missed)
    return [one for one in dues if one.bill_on >= oldest_on]


def _billed(dues: Mapping[UUID, Sequence[Due]]) -> dict[UUID, set[str]]:
    wanted = [(id, charge.cause) for id, all_due in dues.items() for one in all_due for charge in one.charges]
    found: dict[UUID, set[str]] = {}
    if wanted:
        columns = {"account_ids": [id for id, _ in wanted], "causes": [cause for _, cause in wanted]}
        for account_id, cause in execute(SQL["billed"], columns):
            found.setdefault(account_id, set()).add(cause)
    return found


def _named(wanted: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], int]:
    if not wanted:
        return {}
    columns = {"account_ids": [id for id, _ in wanted], "causes": [cause for _, cause in wanted]}
    known = execute(SQL["named"], columns).fetchall()
    return {(id, cause): _count_named(id, cause) for id, cause in known}


def _count_named(account_id: UUID, cause: str) -> int:
    [count] = execute(SQL["count_named"], {"account_id": account_id, "cause": cause}).fetchone() or [0]
    return int(count)


def _limited(
    accounts: Sequence[Account], days: Mapping[UUID, date], dues: Mapping[UUID, Sequence[Due]],
    billed: Mapping[UUID, Container[str]], borne: Borne, found: _Found,
) -> Mapping[UUID, Sequence[Due]]:  # fmt: skip
    """Without what credit notes gave back already, which is noted as left out."""

    def unbilled(ids: Collection[UUID]) -> list[Charge]:
        concerned = [account for account in accounts if account.id in ids]
        recorded = due.charges(concerned, {account.id: days[account.id] + LATEST for account in concerned})
        known = _billed(recorded)
        return [charge for charge in _charges(recorded) if charge.cause not in known.get(charge.account_id, ())]

    limited = given_back.limited(dues, billed, borne, unbilled, {account.id: account.currency for account in accounts})
    for id in dues:
        if limited[id] is not dues[id]:
            amounts = [due.total(_charges({id: view})) for view in (limited[id], dues[id])]
            found.left_out[id] = amounts[0] - amounts[1]
    return limited


def _charges(dues: Mapping[UUID, Sequence[Due]]) -> list[Charge]:
    return [charge for all_due in dues.values() for one in all_due for charge in one.charges]


def _borne(dues: Mapping[UUID, Sequence[Due]], billed: Mapping[UUID, Container[str]], source: tax.Source) -> Borne:
    """How what is given back was taxed when it was billed, by account and cause. What was not billed yet is missing."""
    backs = [
        (id, charge.cause, charge.subscription_id, charge.service_from)
        for id, all_due in dues.items()
        for one in all_due
        for charge in one.charges
        if charge.service_from and charge.cause not in billed.get(id, ())
        and given_back.gives(charge, {beside.cause for beside in one.charges})
    ]
    if not backs:
        return {}
    names = ("account_ids", "causes", "subscription_ids", "days")
    columns = {name: list(values) for name, values in zip(names, zip(*backs, strict=True), strict=True)}
    return {
        (id, cause): _as_borne(source, code, Treatment(*bore), day, Buyer(*place, exemption="", seller_country=seller))
        for id, cause, code, *bore, day, country, region, has_tax_id, seller in execute(SQL["borne"], columns)
        for place in [(country, region, has_tax_id)]
    }


def _as_borne(source: tax.Source, code: str, bore: Treatment, day: date, buyer: Buyer) -> Treatment:
    """A line keeps category, rate and label; whether its price included the tax is asked of its day's rules."""
    then = source.treatments([(buyer, code)], day)[buyer, code]
    note = then.note if then.category == bore.category else ""
    if bore.category == tax.REVERSE_CHARGE and not note:
        note = tax.REVERSE_NOTE
    return replace(bore, is_inclusive=bool(bore.rate) and then.is_inclusive, note=note)


def _draft(one: Due, day: date, named: Mapping[tuple[UUID, str], int], borne: Borne) -> Draft:
    count = named.get((one.account_id, one.cause), 0)
    cause = f"{one.cause}#{count + 1}" if count else one.cause
    lines = [_line(charge, borne) for charge in one.charges]
    return Draft(str(InvoiceKind.RECURRING), cause, day, lines, period=one.period, actor=SYSTEM.name)


def _total(account: Account, day: date, source: tax.Source, borne: Borne, charges: Sequence[Charge]) -> Decimal:
    """What charges come to with their tax. It is below zero only when something is given back, so mostly not computed:
    lines taxed at several rates may sum to more than zero before tax, and to less with it.
    """
    if all(charge.amount >= 0 for charge in charges):
        return due.total(charges)
    draft = Draft(str(InvoiceKind.RECURRING), "", day, [_line(charge, borne) for charge in charges])
    return comes_to(account, draft, source)


def _line(charge: Charge, borne: Borne) -> DraftLine:
    return DraftLine(
        charge.description, charge.detail, charge.quantity, charge.unit_price, charge.amount, charge.revenue_code,
        charge.subscription_id, charge.tax_code, charge.service_from, charge.service_until, charge.cause,
        borne.get((charge.account_id, charge.cause)),
    )  # fmt: skip


def _done(run: _Run) -> tuple[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["progress"], {"run_id": run.id})
        done, count = cursor.fetchone()
    return int(done), int(count)


def _refuse_future(until: date | None) -> None:
    if until and until > datetime.now(UTC).date() + timedelta(days=1):
        raise Invalid(f"{until} is still to come: an invoice is never issued before its day.", field="until")
