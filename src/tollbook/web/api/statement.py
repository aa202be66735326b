"""GET /accounts/{slug}/statement: opening balance, refills, usage, corrections and closing balance of each wallet."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath, QueryParameter

from tollbook.accounts.account import today_in
from tollbook.wallets.statement import REFILL, REVERSAL, USAGE, Part, statement_of
from tollbook.web.api import tables
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import money

First = Annotated[
    date | None,
    QueryParameter(name="from", description="The first local day; the first of the last day's month unless told."),
]
Last = Annotated[date | None, QueryParameter(name="to", description="The last local day; today unless told.")]


class StatementLineAnswer(msgspec.Struct):
    """One line of a wallet's statement; `balance` is the wallet's at the end of that day.

    `kind`: opening, refill, adjustment, grant, reversal (all corrections of usage of a day), usage (all usage of a day)
    and closing. `amount` is positive for what came in; lines of a wallet add up from its opening to its closing balance.
    """

    type: str
    on: date
    kind: str
    description: str
    reference: str
    actor: str
    amount: Decimal
    balance: Decimal


class WalletStatementAnswer(msgspec.Struct):
    """One wallet: opening + refills + usage + corrections + adjustments = closing."""

    type: str
    name: str
    opening: Decimal
    refills: Decimal
    usage: Decimal
    corrections: Decimal
    adjustments: Decimal
    closing: Decimal


class StatementAnswer(msgspec.Struct):
    """A statement of some local days, both ends included, and its lines but opening and closing ones."""

    first_on: date = msgspec.field(name="from")
    last_on: date = msgspec.field(name="to")
    timezone: str
    currency: str
    wallets: list[WalletStatementAnswer]
    lines: list[StatementLineAnswer]


@get("/accounts/{slug:str}/statement", sync_to_thread=True, opt={"scope": "read"})
def get_statement(
    request: Request[Any, Caller, Any], slug: FromPath[str], first_on: First = None, last_on: Last = None
) -> Response[StatementAnswer]:
    """The statement of a period, from the books; this month unless told. As lines with Accept: application/x-ndjson or
    text/csv."""
    account = request.auth.account(slug)
    last_on = last_on or today_in(account)
    found = statement_of(account, first_on or last_on.replace(day=1), last_on)
    accept = request.headers.get("accept", "")
    with_ends = any(kind in accept for kind in tables.OTHERS)
    lines = [line for part in found.parts for line in _lines(part, found.first_on, found.last_on, with_ends)]
    whole = StatementAnswer(
        found.first_on, found.last_on, account.timezone, account.currency, [_wallet(part) for part in found.parts], lines
    )
    return tables.answer(accept, whole, StatementLineAnswer, lines)


def _wallet(part: Part) -> WalletStatementAnswer:
    return WalletStatementAnswer(
        type=part.type_code,
        name=part.name,
        opening=money(part.opening),
        refills=money(part.total(REFILL)),
        usage=money(part.total(USAGE)),
        corrections=money(part.total(REVERSAL)),
        adjustments=money(part.others),
        closing=money(part.closing),
    )


def _lines(part: Part, first_on: date, last_on: date, with_ends: bool) -> list[StatementLineAnswer]:
    told = [
        StatementLineAnswer(
            part.type_code, line.on, line.kind, line.description, line.reference, line.actor, money(line.amount),
            money(line.balance),
        )
        for line in part.lines
    ]  # fmt: skip
    if not with_ends:
        return told
    opening, closing = money(part.opening), money(part.closing)
    first = StatementLineAnswer(part.type_code, first_on, "opening", "", "", "", opening, opening)
    return [first, *told, StatementLineAnswer(part.type_code, last_on, "closing", "", "", "", closing, closing)]
