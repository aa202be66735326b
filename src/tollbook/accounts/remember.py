"""Answers remembered by the caller's Idempotency-Key, so that a request sent twice does once and answers the same.

The answer is stored in the transaction of what it answers for: there is no moment at which a crash leaves one without
the other. The key, a digest of the request, and the answer stay for `KEPT` and are then forgotten.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import msgspec
from django.db import connection

from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres.named import load
from tollbook.postgres.prepared import as_json, execute, hex_of, together
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
KEPT = timedelta(days=30)
LONGEST_KEY = 200
OTHER = "This Idempotency-Key came with another request before; use a new key for each request."


class KeyReused(Refused):
    """This Idempotency-Key came with another request before."""

    code = "idempotency_conflict"


class InProgress(Conflict):
    """The first request with this Idempotency-Key is still being worked on."""

    code = "idempotency_in_progress"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a machine was answered: an HTTP status and JSON text. `replayed` when it was remembered."""

    status: int
    body: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request by its Idempotency-Key, whose account it is about, and a digest of what it asks for."""

    account_id: UUID
    key: str
    request_digest: bytes

    def __post_init__(self) -> None:
        """Raise Invalid for an impossible key."""
        if not (1 <= len(self.key) <= LONGEST_KEY and self.key.isascii() and self.key.isprintable()):
            sentence = f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters."
            raise Invalid(sentence, field="Idempotency-Key")


def once(account_id: UUID, key: str, request_digest: bytes, work: Callable[[], Answer]) -> Answer:
    """Do `work` and remember its answer, or answer as before when this key is known.

    Own transaction, repeated as `in_transaction` says; `work` runs inside it and must not open one of its own. Locks: the
    key, without waiting; then whatever `work` locks. Raises Invalid for an impossible key, KeyReused when the key came
    with another request, InProgress while the first request with it runs. What `work` raises is not remembered.
    """
    asked = Keyed(account_id, key, request_digest)
    return in_transaction(lambda: _once(asked, work))


def _once(asked: Keyed, work: Callable[[], Answer]) -> Answer:
    found = recall([asked])[0]
    if isinstance(found, Answer):
        return found
    if found is not None:
        raise found
    answer = work()
    remember([(asked, answer)])
    return answer


def recall(asked: Sequence[Keyed]) -> list[Answer | Refused | None]:
    """Of each request what was answered before, why it can't be answered now (KeyReused, InProgress), or None: then it is
    to be done, and its answer remembered, by this transaction.

    Transaction: the caller's. Locks: the keys, without waiting.
    """
    names = {"names": as_json([(one.account_id, one.key) for one in asked])}
    with together():
        claimed, recalled = execute(SQL["claim"], names), execute(SQL["recall"], names)
    known = {(account_id, key): told for account_id, key, *told in recalled.fetchall()}
    seen: set[tuple[UUID, str]] = set()
    found: list[Answer | Refused | None] = []
    for one, (is_ours,) in zip(asked, claimed.fetchall(), strict=True):
        name = (one.account_id, one.key)
        if is_ours and name in known:
            digest, status, answer = known[name]
            found.append(Answer(status, answer, replayed=True) if bytes(digest) == one.request_digest else KeyReused(OTHER))
        elif is_ours and name not in seen:
            found.append(None)
        else:
            found.append(InProgress("The same request is being worked on; repeat it in a moment to get its answer."))
        seen.add(name)
    return found


def remember(answered: Sequence[tuple[Keyed, Answer]]) -> None:
    """Keep these answers, which `recall` gave over to this transaction."""
    rows = [
        _Row(one.account_id, one.key, hex_of(one.request_digest), answer.status, answer.body) for one, answer in answered
    ]
    execute(SQL["remember"], {"answers": as_json(rows)})


class _Row(msgspec.Struct):
    """An answer on its way into the database."""

    account_id: UUID
    key: str
    request_digest: str | None
    status: int
    answer: str


def forget_old() -> int:
    """Forget answers older than `KEPT`; answers how many. Any transaction; no locks expected."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["forget"], {"kept": KEPT})
        return cursor.rowcount
