"""GET /accounts/{slug}/rates: rate this number."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath, QueryParameter

from tollbook.errors import NotFound
from tollbook.rating import card
from tollbook.web.api.auth import Caller
from tollbook.web.api.bodies import parsed_decimal
from tollbook.web.api.numbers import money, plain

TypeCode = Annotated[str, QueryParameter(name="type", description="The credit type.")]
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
    initial_seconds: int
    increment_seconds: int
    quantity: Decimal
    billed_quantity: Decimal
    cost: Decimal


@get("/accounts/{slug:str}/rates", sync_to_thread=True, opt={"scope": "read"})
def get_rate(
    request: Request[Any, Caller, Any], slug: FromPath[str], type_code: TypeCode, to: To = "", quantity: QuantityText = "60"
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
        initial_seconds=found.terms.initial_seconds,
        increment_seconds=found.terms.increment_seconds,
        quantity=plain(found.quantity),
        billed_quantity=plain(found.priced.billed),
        cost=money(found.priced.cost),
    )
