"""GET /accounts/{slug}/subscriptions: recurring and setup fees, the period, the next charge; /preview: the next invoice."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from tollbook.accounts.account import today_in
from tollbook.invoicing.run import as_billed
from tollbook.money.amount import ZERO, to_minor
from tollbook.subscriptions.charge import Charge
from tollbook.subscriptions.due import total
from tollbook.subscriptions.fees import Fee, fees
from tollbook.subscriptions.history import Entry, entries
from tollbook.subscriptions.preview import next_due
from tollbook.subscriptions.tables import FeeKind
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import plain
from tollbook.web.api.pages import Page

INTERVALS = {1: "monthly", 3: "quarterly", 12: "yearly"}


class FeeAnswer(msgspec.Struct):
    """One fee: what a whole period costs, after discount, in the account's currency. `arithmetic` says how where it is not
    quantity × price; `interval` is monthly, quarterly, yearly, or once.
    """

    id: UUID
    name: str
    interval: str
    quantity: Decimal
    price: Decimal
    total: Decimal
    starts_on: date
    ends_on: date | None
    free_until: date | None
    is_paused: bool
    discount: str
    arithmetic: str


class LineAnswer(msgspec.Struct):
    """A line as the next invoice will print it. `detail` is its arithmetic; `amount` is below zero for what is given back.
    `service_from` and `service_until` are the days it pays for.
    """

    subscription_id: UUID | None
    description: str
    detail: str
    quantity: Decimal
    price: Decimal
    amount: Decimal
    service_from: date | None
    service_until: date | None


class PreviewAnswer(msgspec.Struct):
    """The next invoice, if nothing else changes until then, before tax; without a day when nothing is to come."""

    currency: str
    bill_on: date | None
    period_start_on: date | None
    period_end_on: date | None
    lines: list[LineAnswer]
    total: Decimal


class SubscriptionsAnswer(msgspec.Struct):
    """What is charged each period and once. `upcoming` are recurring fees that begin later; `recurring_total` is that of
    monthly fees. Amounts in `currency`, before tax.
    """

    currency: str
    recurring: list[FeeAnswer]
    upcoming: list[FeeAnswer]
    setup: list[FeeAnswer]
    recurring_total: Decimal
    setup_total: Decimal
    period_start_on: date
    period_end_on: date
    next_charge_on: date | None
    next_charge_amount: Decimal


class ChangeAnswer(msgspec.Struct):
    """A subscription's start (no `change_id`) or a change of it: what it `says`, counting from `from_on`. `is_coming` while
    it lies ahead; `is_taken_back` when a later one undid it before it counted.
    """

    subscription_id: UUID
    change_id: UUID | None
    name: str
    says: str
    recorded_on: date
    from_on: date
    is_coming: bool
    is_taken_back: bool


@get("/accounts/{slug:str}/subscriptions", sync_to_thread=True, opt={"scope": "read"})
def get_subscriptions(request: Request[Any, Caller, Any], slug: FromPath[str]) -> SubscriptionsAnswer:
    """The account's subscriptions as of its local day."""
    account = request.auth.account(slug)
    found = fees(account, today_in(account), as_billed(account))

    def told(rows: Any) -> list[FeeAnswer]:
        return [_told(row, found.currency) for row in rows]

    return SubscriptionsAnswer(
        currency=found.currency,
        recurring=told(found.recurring),
        upcoming=told(found.upcoming),
        setup=told(found.setup),
        recurring_total=to_minor(found.recurring_total, found.currency),
        setup_total=to_minor(found.setup_total, found.currency),
        period_start_on=found.period.start_on,
        period_end_on=found.period.end_on,
        next_charge_on=found.next_charge_on,
        next_charge_amount=to_minor(found.next_charge_amount, found.currency),
    )


@get("/accounts/{slug:str}/subscriptions/preview", sync_to_thread=True, opt={"scope": "read"})
def preview_invoice(request: Request[Any, Caller, Any], slug: FromPath[str]) -> PreviewAnswer:
    """The account's next invoice as it would be issued now, line by line, before tax."""
    account = request.auth.account(slug)
    found = next_due(account, today_in(account), adjust=as_billed(account))
    if found is None:
        return PreviewAnswer(account.currency, None, None, None, [], to_minor(ZERO, account.currency))
    return PreviewAnswer(
        currency=account.currency,
        bill_on=found.bill_on,
        period_start_on=found.period.start_on,
        period_end_on=found.period.end_on,
        lines=[_line(charge) for charge in found.charges],
        total=to_minor(total(found.charges), account.currency),
    )


@get("/accounts/{slug:str}/subscriptions/changes", sync_to_thread=True, opt={"scope": "read"})
def list_changes(request: Request[Any, Caller, Any], slug: FromPath[str]) -> Page[ChangeAnswer]:
    """What was recorded about the account's subscriptions: starts and changes, newest first; always in one page."""
    account = request.auth.account(slug)
    return Page([_change(entry) for entry in entries(account, today_in(account))], None)


def _change(entry: Entry) -> ChangeAnswer:
    return ChangeAnswer(
        entry.subscription_id, entry.change_id, entry.name, entry.says, entry.recorded_on, entry.from_on, entry.coming,
        entry.taken_back,
    )  # fmt: skip


def _line(charge: Charge) -> LineAnswer:
    return LineAnswer(
        charge.subscription_id, charge.description, charge.detail, plain(charge.quantity), plain(charge.unit_price),
        charge.amount, charge.service_from, charge.service_until,
    )  # fmt: skip


def _told(fee: Fee, currency: str) -> FeeAnswer:
    interval = INTERVALS[fee.months] if fee.kind == FeeKind.RECURRING else "once"
    amounts = (plain(fee.quantity), plain(fee.price), to_minor(fee.total, currency))
    return FeeAnswer(
        fee.subscription_id, fee.name, interval, *amounts, fee.starts_on, fee.ends_on, fee.free_until, fee.paused,
        fee.discount, fee.said,
    )  # fmt: skip
