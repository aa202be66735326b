"""GET /accounts/{slug}/events: debited events, as JSON pages or, by Accept, one long NDJSON or CSV."""

import csv
import io
import re
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from tollbook.errors import Invalid
from tollbook.rating.tables import CreditType
from tollbook.usage import statement
from tollbook.usage.statement import Used
from tollbook.web import sheets
from tollbook.web.api import pages
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import money, plain
from tollbook.web.api.pages import Cursor, Page, Since, Until, cut, place_of

CHUNK = 2_000
NUMBER = re.compile(r"\+?[0-9]+")
TypeCode = Annotated[str | None, QueryParameter(name="type", description="One credit type only.")]
Most = Annotated[
    int | None,
    QueryParameter(name="limit", description="How many at most: up to 1,000 a page, any number of lines.", ge=1),
]


class EventAnswer(msgspec.Struct):
    """One debited event with its arithmetic: raw and billed quantity, cents per unit, fee and cost in the currency."""

    id: str
    type: str
    quantity: Decimal
    billed_quantity: Decimal
    rate_cents: Decimal
    connect_fee: Decimal
    cost: Decimal
    occurred_at: datetime
    received_at: datetime
    to: str
    sender: str = msgspec.field(name="from")
    transfer_id: UUID | None
    hold_id: UUID | None


Chunk = Callable[[statement.Key | None, int], list[Used]]


@get("/accounts/{slug:str}/events", sync_to_thread=True, opt={"scope": "read"})
def list_events(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    type_code: TypeCode = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    most: Most = None,
) -> Response[Page[EventAnswer]]:
    """Debited events, newest first. Accept: application/x-ndjson or text/csv streams all of them (or `limit`)."""
    account = request.auth.account(slug)
    pages.instants(since, until)
    types = _types(type_code)
    begin = place_of(cursor, statement.key_of)

    def chunk(before: statement.Key | None, limit: int) -> list[Used]:
        return statement.newest(account.id, types, since, until, before, limit)

    accept = request.headers.get("accept", "")
    if "application/x-ndjson" in accept:
        return _stream(chunk, begin, most, _ndjson, "application/x-ndjson", b"")
    if "text/csv" in accept:
        return _stream(chunk, begin, most, _csv, "text/csv", _lines([[*EventAnswer.__struct_encode_fields__]]))
    limit = most or pages.USUAL
    if limit > pages.LARGEST:
        raise Invalid(f"A page has at most {pages.LARGEST} items.", field="limit")
    return Response(cut(chunk(begin, limit + 1), limit, told, lambda row: str(row.key)))


def told(row: Used) -> EventAnswer:
    """One event as machines get it."""
    return EventAnswer(
        id=row.id,
        type=row.type_code,
        quantity=plain(row.quantity),
        billed_quantity=plain(row.billed),
        rate_cents=plain(row.rate_cents),
        connect_fee=money(row.connect_fee),
        cost=money(row.cost),
        occurred_at=row.occurred_at,
        received_at=row.received_at,
        to=row.to,
        sender=row.sender,
        transfer_id=row.transfer_id,
        hold_id=row.hold_id,
    )


def _types(type_code: str | None) -> list[str]:
    known = list(CreditType.objects.values_list("code", flat=True))
    if type_code is not None and type_code not in known:
        raise Invalid(f"There is no credit type “{type_code[:40]}”.", field="type")
    return known if type_code is None else [type_code]


def _stream(
    chunk: Chunk,
    begin: statement.Key | None,
    most: int | None,
    written: Callable[[Iterable[Used]], bytes],
    media_type: str,
    head: bytes,
) -> Any:
    """All rows as they are read, a chunk at a time, each on its own connection; the first before the answer begins, so
    that what can go wrong still has a status."""
    first = chunk(begin, min(CHUNK, most or CHUNK))

    async def lines() -> AsyncIterator[bytes]:
        yield head + written(first)
        rows, sent = first, len(first)
        while len(rows) == CHUNK and (most is None or sent < most):
            rows = await sync_to_thread(chunk, rows[-1].key, CHUNK if most is None else min(CHUNK, most - sent))
            sent += len(rows)
            yield written(rows)

    return Stream(lines(), media_type=media_type)


def _ndjson(rows: Iterable[Used]) -> bytes:
    return b"".join(msgspec.json.encode(told(row)) + b"\n" for row in rows)


def _csv(rows: Iterable[Used]) -> bytes:
    return _lines([_cell(value) for value in msgspec.structs.astuple(told(row))] for row in rows)


def _cell(value: Any) -> str:
    """As sheets writes it, but telephone numbers stand as they are: they do no harm, and machines read this."""
    if isinstance(value, UUID):
        return str(value)
    return value if isinstance(value, str) and NUMBER.fullmatch(value) else sheets.cell(value)


def _lines(rows: Iterable[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
