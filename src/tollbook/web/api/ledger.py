"""GET /accounts/{slug}/ledger: every movement of the account's money, with before, after and its entries."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, get
from litestar.params import FromPath, QueryParameter

from tollbook.errors import Invalid
from tollbook.ledger import journal
from tollbook.ledger.journal import Posted
from tollbook.wallets import wallet
from tollbook.web.api import pages
from tollbook.web.api.auth import Caller
from tollbook.web.api.numbers import money
from tollbook.web.api.pages import Cursor, Limit, Page, Since, Until, cut, place_of

TypeCode = Annotated[str | None, QueryParameter(name="type", description="Transfers of this wallet only.")]


class EntryAnswer(msgspec.Struct):
    """One side of a transfer: an account of the books and a signed amount, debit positive."""

    code: str
    amount: Decimal


class TransferAnswer(msgspec.Struct):
    """One transfer. `type`, `before` and `after` are of the wallet it moved, null when it moved none."""

    id: UUID
    posted_at: datetime
    kind: str
    reference: str
    description: str
    actor: str
    type: str | None
    before: Decimal | None
    after: Decimal | None
    events: int
    currency: str
    entries: list[EntryAnswer]


@get("/accounts/{slug:str}/ledger", sync_to_thread=True, opt={"scope": "read"})
def list_transfers(
    request: Request[Any, Caller, Any],
    slug: FromPath[str],
    type_code: TypeCode = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = pages.USUAL,
) -> Page[TransferAnswer]:
    """Transfers, newest first."""
    account = request.auth.account(slug)
    pages.instants(since, until)
    types = {one.id: one.type_code for one in wallet.of_account(account.id)}
    wallet_id = _wallet(types, type_code)
    rows = journal.newest(account.id, wallet_id, since, until, place_of(cursor, _key), limit + 1)
    return cut(rows, limit, lambda row: _told(row, types), lambda row: f"{row.posted_at.isoformat()}_{row.id}")


def _wallet(types: dict[UUID, str], type_code: str | None) -> UUID | None:
    if type_code is None:
        return None
    found = [wallet_id for wallet_id, code in types.items() if code == type_code]
    if not found:
        raise Invalid(f"This account has no wallet for “{type_code[:40]}”.", field="type")
    return found[0]


def _key(text: str) -> journal.Key:
    at, _, id = text.partition("_")
    key = journal.Key(datetime.fromisoformat(at), UUID(id))
    if key.at.tzinfo is None:
        raise ValueError(text)
    return key


def _told(row: Posted, types: dict[UUID, str]) -> TransferAnswer:
    return TransferAnswer(
        id=row.id,
        posted_at=row.posted_at,
        kind=row.kind,
        reference=row.reference,
        description=row.description,
        actor=row.actor,
        type=types.get(row.wallet_id) if row.wallet_id else None,
        before=None if row.before is None else money(row.before),
        after=None if row.after is None else money(row.after),
        events=row.events,
        currency=row.currency,
        entries=[EntryAnswer(code, money(amount)) for code, amount in row.entries],
    )
