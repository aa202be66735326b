"""GET /accounts/{slug}/usage: what was used and what it cost, by campaign, agent, destination country or credit type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tollbook.errors import Invalid
from tollbook.rating.tables import CreditType
from tollbook.usage.breakdown import Asked, By, Line, Per, breakdown
from tollbook.web.api import pages, tables
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import money, plain
from tollbook.web.api.pages import Since, Until

DAYS = 30
TypeCode = Annotated[str | None, QueryParameter(name="type", description="One credit type only.")]
ByWhat = Annotated[By, QueryParameter(description="What usage is broken down by.")]
PerWhat = Annotated[Per, QueryParameter(description="Periods: local hours, local days, or all of the time in one.")]


class UsageLineAnswer(msgspec.Struct):
    """One value in the period from `begins_at` on; empty for events without one, countries as ISO 3166 codes.

    Quantities in the type's unit, null where types of different units are added up; cost in the account's currency.
    Corrections count as events and lower the sums.
    """

    begins_at: datetime
    value: str
    events: int
    quantity: Decimal | None
    billed_quantity: Decimal | None
    cost: Decimal


class UsageBreakdownAnswer(msgspec.Struct):
    """Lines by period, the costliest first. `since` and `until`: whole local hours (days, per day) around what was asked."""

    by: str
    per: str
    since: datetime
    until: datetime
    timezone: str
    currency: str
    lines: list[UsageLineAnswer]


@get("/accounts/{slug:str}/usage", sync_to_thread=True, opt={"scope": "read"})
def get_usage(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    by: ByWhat,
    per: PerWhat = Per.TOTAL,
    since: Since = None,
    until: Until = None,
    type_code: TypeCode = None,
) -> Response[UsageBreakdownAnswer]:
    """Usage by campaign, agent, country or type; the last 30 days unless told. As lines with Accept: application/x-ndjson
    or text/csv."""
    account = request.auth.account(slug)
    pages.instants(since, until)
    if type_code is not None and not CreditType.objects.filter(code=type_code).exists():
        raise Invalid(f"There is no credit type “{type_code[:40]}”.", field="type")
    until = until or datetime.now(UTC)
    found = breakdown(account, Asked(by, per, since or _before(until), until, type_code))
    zone, alike = ZoneInfo(account.timezone), type_code is not None or by is By.TYPE
    lines = [_told(line, zone, alike) for line in found.lines]
    whole = UsageBreakdownAnswer(
        by.value, per.value, found.since.astimezone(zone), found.until.astimezone(zone), account.timezone,
        account.currency, lines,
    )  # fmt: skip
    return tables.answer(request.headers.get("accept", ""), whole, UsageLineAnswer, lines)


def _before(until: datetime) -> datetime:
    try:
        return until - timedelta(days=DAYS)
    except OverflowError:
        raise Invalid("until lies too far back.", field="until") from None


def _told(line: Line, zone: ZoneInfo, alike: bool) -> UsageLineAnswer:
    return UsageLineAnswer(
        begins_at=line.begins_at.astimezone(zone),
        value=line.value,
        events=line.events,
        quantity=plain(line.quantity) if alike else None,
        billed_quantity=plain(line.billed) if alike else None,
        cost=money(line.cost),
    )
