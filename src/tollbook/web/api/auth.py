"""Whose key it is, what it is for, which accounts it reaches.

Every route under /api/v1 names the scope it needs (`opt={"scope": ...}`); one that names none is closed to everybody.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from litestar.concurrency import sync_to_thread
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException, NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler

from tollbook.accounts import key as keys
from tollbook.accounts.account import by_id, by_slug
from tollbook.accounts.audit import OPERATOR_ID, Actor
from tollbook.accounts.tables import Account, ApiKey
from tollbook.errors import Invalid, NotFound
from tollbook.wallets import hold as holds

JSON = "application/json"
HOW = 'Send the header "Authorization: Bearer tb_..." with a key that is not revoked.'


@dataclass(frozen=True, slots=True)
class Caller:
    """The machine behind a request, known by its key. Another account's things do not exist for it."""

    key: ApiKey

    @property
    def actor(self) -> Actor:
        """Who the audit trail says it was."""
        return Actor("key", str(self.key.id), f"API key {self.key.name}")

    @property
    def sees_all(self) -> bool:
        """Whether the key is the operator's and reaches every account."""
        return self.key.account_id == OPERATOR_ID

    def account(self, slug: str) -> Account:
        """The account with this short name. Raises NotFound for one that is not there or not the key's."""
        account = by_slug(slug)
        if not self.sees_all and account.id != self.key.account_id:
            raise NotFound(f"There is no account “{slug}”.")
        return account

    def account_or_own(self, slug: str | None) -> Account:
        """As `account`; a key that belongs to one account need not name it. Raises Invalid, NotFound."""
        if slug is not None:
            return self.account(slug)
        if self.sees_all:
            raise Invalid("This key reaches every account: name one.", field="account")
        return by_id(self.key.account_id)

    def account_of_hold(self, hold_id: UUID) -> Account:
        """The account that a hold must belong to. Raises NotFound when a key for all accounts names no hold."""
        return by_id(holds.account_of(hold_id) if self.sees_all else self.key.account_id)


def takes(scope: str, body: Any, *types: str, shapes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The `opt` of a route that takes a body: the scope it needs, what the body is, as JSON or of other types too.

    `shapes`: what the body is where another type has another shape.
    """
    return {"scope": scope, "body": body, "takes": (JSON, *types, *(shapes or ())), "shapes": shapes or {}}


async def require_media_type(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    """Refuse a body that is not what the route takes (`opt["takes"]`); no type at all means the first of them."""
    takes = handler.opt.get("takes")
    if takes is None:
        return
    given = connection.headers.get("content-type", takes[0]).partition(";")[0].strip().lower()
    if given not in takes:
        raise HTTPException(status_code=415, detail=f"Send {' or '.join(takes)}, with that Content-Type.")
    if connection.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(status_code=415, detail="Send the body without a Content-Encoding.")


async def require_key(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    """Let a request pass that has a living key with the route's scope; the handler finds it in `request.auth`."""
    if getattr(handler, "http_methods", None) == {"OPTIONS"}:  # tells which methods there are, as the document does
        return
    scope = handler.opt["scope"]
    _refuse_unprintable(connection)
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    key = await sync_to_thread(keys.check, text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise NotAuthorizedException(HOW, headers={"WWW-Authenticate": 'Bearer realm="tollbook"'})
    if scope not in key.scopes:
        challenge = f'Bearer realm="tollbook", error="insufficient_scope", scope="{scope}"'
        raise PermissionDeniedException(
            f"This key lacks the scope “{scope}” ({keys.SCOPES[scope]}).", headers={"WWW-Authenticate": challenge}
        )
    connection.scope["auth"] = Caller(key)


def _refuse_unprintable(connection: ASGIConnection) -> None:
    """No address holds a NUL or half a character: PostgreSQL takes neither, and nothing of ours is named so."""
    given = [connection.scope["path"], *(value for values in connection.query_params.dict().values() for value in values)]
    if not all(text.isprintable() for text in given):
        raise NotFoundException
