"""API keys: made, shown once, checked, revoked.

A key reads `tb_<prefix>_<secret>`. The prefix finds its row; of the secret, 32 random bytes, only the SHA-256 is stored:
what is random needs no slow hash. A key belongs to one account, or to the operator and so reaches every account.
"""

import secrets
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db import IntegrityError, transaction

from tollbook.accounts.account import by_id
from tollbook.accounts.audit import OPERATOR_ID, Actor, note
from tollbook.accounts.tables import ApiKey
from tollbook.errors import Conflict, Invalid, NotFound
from tollbook.postgres.ids import new_id
from tollbook.postgres.named import load
from tollbook.postgres.prepared import execute

SQL = load(__file__)

SCOPES = {
    "usage": "send usage events",
    "holds": "place, extend, capture and release holds",
    "read": "read wallets, events, ledger, invoices and subscriptions",
    "refills": "buy credit with the account's card",
    "admin": "change refill rules",
}
"""What a key may be for. None of them includes another."""

DEFAULT_SCOPES = ("usage", "holds", "read")
"""What a key is for unless somebody says otherwise: nothing that charges a card or changes a rule."""

LAST_USED_STEP = timedelta(minutes=1)


def create(
    account_id: UUID, name: str, scopes: Collection[str], actor: Actor, id: UUID | None = None
) -> tuple[ApiKey, str]:
    """Make a key of an account, or of all accounts for `OPERATOR_ID`; answers it with its text, which nobody can see again.

    With an `id`, made by the caller before, a second call raises Conflict. One transaction, no locks. Raises Invalid for a
    missing name or unknown scopes, NotFound for an unknown account.
    """
    _check(name, scopes)
    if account_id != OPERATOR_ID:
        by_id(account_id)
    prefix, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    try:
        with transaction.atomic():
            key = ApiKey.objects.create(
                account_id=account_id,
                id=id or new_id(),
                name=name.strip(),
                prefix=prefix,
                secret_hash=_hashed(secret),
                scopes=[scope for scope in SCOPES if scope in scopes],
                created_by=actor.name,
                created_at=datetime.now(UTC),
            )
            note(account_id, actor, "api_key.create", _target(key), after={"name": key.name, "scopes": key.scopes})
    except IntegrityError:
        raise Conflict("This key was made before, and its text was shown then. Revoke it if it was lost.") from None
    return key, f"tb_{prefix}_{secret}"


def check(text: str) -> ApiKey | None:
    """The key that `text` is, unless it was revoked or never was. Notes when it was last used, to the minute."""
    mark, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    if mark != "tb" or not secret or not (prefix.isascii() and prefix.isalnum()):
        return None
    given = _hashed(secret)
    for key in ApiKey.objects.filter(prefix=prefix, revoked_at__isnull=True):
        if secrets.compare_digest(bytes(key.secret_hash), given):
            _note_use(key)
            return key
    return None


def revoked(asked: Collection[ApiKey]) -> set[UUID]:
    """The ids of those of these keys that were revoked meanwhile. One query; any transaction."""
    parameters = {"account_ids": [key.account_id for key in asked], "ids": [key.id for key in asked]}
    return {id for (id,) in execute(SQL["revoked"], parameters)}


def revoke(account_id: UUID, key_id: UUID, actor: Actor) -> None:
    """End a key at once and for ever; repeating it does nothing. One transaction. Raises NotFound."""
    key = ApiKey.objects.filter(account_id=account_id, id=key_id).first()
    if key is None:
        raise NotFound("There is no such key.")
    with transaction.atomic():
        living = ApiKey.objects.filter(account_id=account_id, id=key_id, revoked_at__isnull=True)
        if living.update(revoked_at=datetime.now(UTC)):
            note(account_id, actor, "api_key.revoke", _target(key), before={"name": key.name, "scopes": key.scopes})


def of_account(account_id: UUID) -> list[ApiKey]:
    """The account's keys (the operator's for `OPERATOR_ID`), newest first, revoked ones included."""
    return list(ApiKey.objects.filter(account_id=account_id).order_by("-created_at"))


def _check(name: str, scopes: Collection[str]) -> None:
    if not 1 <= len(name.strip()) <= 100:
        raise Invalid("Give the key a name that tells what it is for, up to 100 characters.", field="name")
    unknown = set(scopes) - SCOPES.keys()
    if unknown or not scopes:
        raise Invalid(f"The scopes of a key are one or more of {', '.join(SCOPES)}.", field="scopes")


def _hashed(secret: str) -> bytes:
    return sha256(secret.encode()).digest()


def _target(key: ApiKey) -> str:
    return f"api_key/tb_{key.prefix}"


def _note_use(key: ApiKey) -> None:
    now = datetime.now(UTC)
    if key.last_used_at is None or key.last_used_at < now - LAST_USED_STEP:
        ApiKey.objects.filter(account_id=key.account_id, id=key.id).update(last_used_at=now)
