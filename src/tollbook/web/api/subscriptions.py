"""GET /accounts/{slug}/subscriptions: recurring and setup fees, the period, the next charge."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from tollbook.accounts.account import today_in
from tollbook.money.amount import to_minor
from tollbook.subscriptions.fees import Fee, fees
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import plain


class FeeAnswer(msgspec.Struct):
    """One fee: quantity × price = total, in the account's currency."""

    name: str
    quantity: Decimal
    price: Decimal
    total: Decimal
    starts_on: date
    ends_on: date | None


class SubscriptionsAnswer(msgspec.Struct):
    """What is charged each period and once. `upcoming` are recurring fees that begin later. Amounts in `currency`."""

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


@get("/accounts/{slug:str}/subscriptions", sync_to_thread=True, opt={"scope": "read"})
def get_subscriptions(request: Request[Any, Caller, Any], slug: FromPath[str]) -> SubscriptionsAnswer:
    """The account's subscriptions as of its local day."""
    account = request.auth.account(slug)
    found = fees(account, today_in(account))

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


def _told(fee: Fee, currency: str) -> FeeAnswer:
    total = to_minor(fee.total, currency)
    return FeeAnswer(fee.name, plain(fee.quantity), plain(fee.price), total, fee.starts_on, fee.ends_on)
