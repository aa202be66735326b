"""Whose key it is, what it is for, which accounts it reaches.

Every route under /api/v1 names the scope it needs (`opt={"scope": ...}`); one that names none is closed to everybody.
"""

import time
from collections.abc import Collection, Mapping, Sequence
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
from tollbook.accounts.directory import ids_of
from tollbook.accounts.tables import Account, ApiKey
from tollbook.errors import Invalid, NotFound
from tollbook.wallets import hold as holds

JSON, PLAIN = "application/json", "identity"
REMEMBERED_SECONDS, MOST_REMEMBERED = 1.0, 10_000
HOW = 'Send the header "Authorization: Bearer tb_..." with a key that is not revoked.'


_recent: dict[str, tuple[float, "Caller"]] = {}
"""Callers by their Authorization header, each with the instant until which it need not be looked up again."""


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

    def id_of(self, slug: str | None) -> UUID:
        """As the id of `account_or_own`, from memory."""
        if slug is None:
            return self.account_or_own(None).id if self.sees_all else self.key.account_id
        found = ids_of([slug]).get(slug)
        if found is None or not (self.sees_all or found == self.key.account_id):
            raise NotFound(f"There is no account “{slug}”.")
        return found

    def account_of_hold(self, hold_id: UUID) -> Account:
        """The account that a hold must belong to. Raises NotFound when a key for all accounts names no hold."""
        return by_id(holds.account_of(hold_id) if self.sees_all else self.key.account_id)


def takes(
    scope: str, body: Any, *types: str, shapes: Mapping[str, Any] | None = None, encodings: Sequence[str] = (PLAIN,)
) -> dict[str, Any]:
    """The `opt` of a route that takes a body: the scope it needs, what the body is, as JSON or of other types too.

    `shapes`: what the body is where another type has another shape. `encodings`: the Content-Encodings it may come in.
    """
    kinds = (JSON, *types, *(shapes or ()))
    return {"scope": scope, "body": body, "takes": kinds, "shapes": shapes or {}, "encodings": encodings}


async def require_media_type(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    """Refuse a body that is not what the route takes; no type at all means the first of them."""
    check_type(connection.headers, handler.opt)


def check_type(headers: Mapping[str, str], opt: Mapping[str, Any]) -> None:
    """Raise a 415 for a body that is not what a route takes (`opt["takes"]`), or not encoded as it takes it."""
    takes = opt.get("takes")
    if takes is None:
        return
    given = headers.get("content-type", takes[0]).partition(";")[0].strip().lower()
    if given not in takes:
        raise HTTPException(status_code=415, detail=f"Send {' or '.join(takes)}, with that Content-Type.")
    if headers.get("content-encoding", PLAIN).strip().lower() not in opt["encodings"]:
        others = [encoding for encoding in opt["encodings"] if encoding != PLAIN]
        how = f"with the Content-Encoding {' or '.join(others)}, or plain" if others else "without a Content-Encoding"
        raise HTTPException(status_code=415, detail=f"Send the body {how}.")


async def require_key(connection: ASGIConnection, handler: BaseRouteHandler) -> None:
    """Let a request pass that has a living key with the route's scope; the handler finds it in `request.auth`."""
    if getattr(handler, "http_methods", None) == {"OPTIONS"}:  # tells which methods there are, as the document does
        return
    _refuse_unprintable(connection)
    authorization = connection.headers.get("authorization", "")
    connection.scope["auth"] = _with_scope(await sync_to_thread(_known, authorization), handler.opt["scope"])


async def caller_of(authorization: str, scope: str) -> Caller:
    """As `require_key`, for calls that come thousands of times a second: a key is looked up once a second. Whoever uses it
    asks `ended` before anything is done, so that a key that was revoked is refused at once."""
    found = _recent.get(authorization)
    if found is None or found[0] < time.monotonic():
        caller = await sync_to_thread(_known, authorization)
        if len(_recent) > MOST_REMEMBERED:
            _recent.clear()
        found = _recent[authorization] = (time.monotonic() + REMEMBERED_SECONDS, caller)
    return _with_scope(found[1], scope)


def ended(callers: Collection[Caller]) -> dict[UUID, HTTPException]:
    """Which of these keys are revoked by now, each with what its requests are answered. One query."""
    return {id: _no_key() for id in keys.revoked([caller.key for caller in callers])}


def _known(authorization: str) -> Caller:
    scheme, _, text = authorization.partition(" ")
    key = keys.check(text.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise _no_key()
    return Caller(key)


def _no_key() -> HTTPException:
    return NotAuthorizedException(HOW, headers={"WWW-Authenticate": 'Bearer realm="tollbook"'})


def _with_scope(caller: Caller, scope: str) -> Caller:
    if scope not in caller.key.scopes:
        challenge = f'Bearer realm="tollbook", error="insufficient_scope", scope="{scope}"'
        raise PermissionDeniedException(
            f"This key lacks the scope “{scope}” ({keys.SCOPES[scope]}).", headers={"WWW-Authenticate": challenge}
        )
    return caller


def _refuse_unprintable(connection: ASGIConnection) -> None:
    """No address holds a NUL or half a character: PostgreSQL takes neither, and nothing of ours is named so."""
    given = [connection.scope["path"], *(value for values in connection.query_params.dict().values() for value in values)]
    if not all(text.isprintable() for text in given):
        raise NotFoundException
