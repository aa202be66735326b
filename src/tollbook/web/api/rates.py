"""GET /accounts/{slug}/rates: rate this number. POST /rate: what up to 1,000 things would cost."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath, QueryParameter, RawBody

from tollbook.accounts.tables import Account
from tollbook.errors import Invalid, NotFound
from tollbook.rating import card
from tollbook.rating.quote import Asked, NoQuote, Quote, quotes
from tollbook.web import arithmetic
from tollbook.web.api.auth import Caller, takes
from tollbook.web.api.bodies import Malformed, QuoteBody, decode, parse, parsed_decimal
from tollbook.web.api.numbers import money, plain

TypeCode = Annotated[str, QueryParameter(name="type", description="The credit type.")]
MOST_QUOTES = 1_000

To = Annotated[str, QueryParameter(description="The destination, E.164; empty for any that is not listed.")]
QuantityText = Annotated[str, QueryParameter(name="quantity", description="In the type's unit.", max_length=40)]


class RateAnswer(msgspec.Struct):
    """What `quantity` to this destination would cost now. Fee and cost in the account's currency."""

    type: str
    to: str
    prefix: str
    description: str
    is_own: bool
    rate_cents: Decimal
    connect_fee: Decimal
    minimum_charge: Decimal
    initial_seconds: int
    increment_seconds: int
    quantity: Decimal
    billed_quantity: Decimal
    cost: Decimal


@get("/accounts/{slug:str}/rates", sync_to_thread=True, opt={"scope": "read"})
def get_rate(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    type_code: TypeCode,
    to: To = "",
    quantity: QuantityText = "60",
) -> RateAnswer:
    """The rate that an event to this number would get now, and what it would cost. 404 where it would be rejected."""
    account = request.auth.account(slug)
    found = card.rate(account.id, type_code, to, parsed_decimal(quantity, "quantity"), datetime.now(UTC))
    if found is None:
        raise NotFound(f"There is no rate for {type_code[:40]}{f' to {to[:40]}' if to else ''}.")
    return RateAnswer(
        type=type_code,
        to=to,
        prefix=found.terms.prefix,
        description=found.description,
        is_own=found.is_own,
        rate_cents=plain(found.terms.rate_cents),
        connect_fee=money(found.terms.connect_fee),
        minimum_charge=money(found.terms.minimum_charge),
        initial_seconds=found.terms.initial_seconds,
        increment_seconds=found.terms.increment_seconds,
        quantity=plain(found.quantity),
        billed_quantity=plain(found.priced.billed),
        cost=money(found.priced.cost),
    )


class QuoteAnswer(msgspec.Struct):
    """What one thing would cost, and why. Fee and cost in the account's `currency`; `encoding` of a text, if one came."""

    index: int
    account: str
    type: str
    to: str
    quantity: Decimal
    billed_quantity: Decimal
    encoding: str | None
    prefix: str
    description: str
    is_own: bool
    rate_cents: Decimal
    connect_fee: Decimal
    minimum_charge: Decimal
    initial_seconds: int
    increment_seconds: int
    cost: Decimal
    currency: str
    arithmetic: str


class NoQuoteAnswer(msgspec.Struct):
    """Something without a price: its place in the array, a stable code, why. Such an event would be rejected."""

    index: int
    code: str
    message: str


class QuotesAnswer(msgspec.Struct):
    """The prices, and what has none, each in the order in which it was asked."""

    quotes: list[QuoteAnswer]
    rejected: list[NoQuoteAnswer]


@post("/rate", status_code=200, sync_to_thread=True, opt=takes("read", QuoteBody | list[QuoteBody]))
def rate(request: Request[Any, Caller, Any], body: RawBody) -> QuotesAnswer:
    """What usage would cost, without debiting it: one question, or an array of up to 1,000. Nothing is recorded."""
    pieces = decode(list[msgspec.Raw], body) if body.lstrip()[:1] == b"[" else [body]
    if len(pieces) > MOST_QUOTES:
        raise Invalid(f"Ask for at most {MOST_QUOTES:,} at a time.", field="quotes")
    read = [_read(piece) for piece in pieces]
    accounts = _accounts(request.auth, {one.account for one in read if isinstance(one, QuoteBody)})
    asked = [_asked(one, accounts, datetime.now(UTC)) if isinstance(one, QuoteBody) else one for one in read]
    found = iter(quotes([one for one in asked if isinstance(one, Asked)]))
    answers = [next(found) if isinstance(one, Asked) else one for one in asked]
    by_id = {account.id: account for account in accounts.values()}
    return QuotesAnswer(
        [_quote(index, one, by_id[one.asked.account_id]) for index, one in enumerate(answers) if isinstance(one, Quote)],
        [NoQuoteAnswer(index, one.code, one.message) for index, one in enumerate(answers) if isinstance(one, NoQuote)],
    )


def _read(piece: bytes | msgspec.Raw) -> QuoteBody | NoQuote:
    try:
        return parse(QuoteBody, piece)
    except Malformed as error:
        return NoQuote("malformed", error.message)


def _accounts(caller: Caller, slugs: Iterable[str | None]) -> dict[str | None, Account]:
    """Those of the named accounts that the caller reaches; its own one stands for None."""
    named = [slug for slug in slugs if slug is not None and slug.isprintable()]
    if caller.sees_all:
        return {account.slug: account for account in Account.objects.filter(slug__in=named)}
    own = Account.objects.get(id=caller.key.account_id)
    return {None: own, own.slug: own}


def _asked(told: QuoteBody, accounts: dict[str | None, Account], now: datetime) -> Asked | NoQuote:
    account, at = accounts.get(told.account), told.occurred_at or now
    if account is None:
        says = "Name the account." if told.account is None else f"There is no account “{told.account[:63]}”."
        return NoQuote("unknown_account", says)
    if at.tzinfo is None:
        return NoQuote("bad_time", "occurred_at needs a time zone, such as 2026-11-03T14:02:07Z.")
    return Asked(account.id, told.type, at, told.to or "", told.quantity, told.text)


def _quote(index: int, found: Quote, account: Account) -> QuoteAnswer:
    terms, priced = found.terms, found.priced
    return QuoteAnswer(
        index=index,
        account=account.slug,
        type=found.asked.type_code,
        to=found.asked.to,
        quantity=plain(found.quantity),
        billed_quantity=plain(priced.billed),
        encoding=found.encoding,
        prefix=terms.prefix,
        description=found.description,
        is_own=terms.account_id == account.id,
        rate_cents=plain(terms.rate_cents),
        connect_fee=money(terms.connect_fee),
        minimum_charge=money(terms.minimum_charge),
        initial_seconds=terms.initial_seconds,
        increment_seconds=terms.increment_seconds,
        cost=money(priced.cost),
        currency=account.currency,
        arithmetic=arithmetic.told(
            found.quantity, priced.billed, terms.rate_cents, terms.connect_fee, priced.cost, terms, found.unit,
            account.currency,
        ),
    )  # fmt: skip
