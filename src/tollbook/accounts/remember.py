"""Answers remembered by the caller's Idempotency-Key, so that a request sent twice does once and answers the same.

The answer is stored in the transaction of what it answers for: there is no moment at which a crash leaves one without
the other. The key, a digest of the request, and the answer stay for `KEPT` and are then forgotten.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from django.db import connection

from tollbook.errors import Conflict, Invalid, Refused
from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
KEPT = timedelta(days=30)
LONGEST_KEY = 200


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


def once(account_id: UUID, key: str, request_digest: bytes, work: Callable[[], Answer]) -> Answer:
    """Do `work` and remember its answer, or answer as before when this key is known.

    Own transaction, repeated as `in_transaction` says; `work` runs inside it and must not open one of its own. Locks: the
    key, without waiting; then whatever `work` locks. Raises Invalid for an impossible key, KeyReused when the key came
    with another request, InProgress while the first request with it runs. What `work` raises is not remembered.
    """
    if not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Invalid(f"An Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters.", field="Idempotency-Key")
    return in_transaction(lambda: _known(account_id, key, request_digest) or _new(account_id, key, request_digest, work))


def _known(account_id: UUID, key: str, request_digest: bytes) -> Answer | None:
    with connection.cursor() as cursor:
        cursor.execute(SQL["claim"], {"account_id": account_id, "key": key})
        if not cursor.fetchone()[0]:
            raise InProgress("The same request is being worked on; repeat it in a moment to get its answer.")
        cursor.execute(SQL["recall"], {"account_id": account_id, "key": key})
        row = cursor.fetchone()
    if row is None:
        return None
    if bytes(row[0]) != request_digest:
        raise KeyReused("This Idempotency-Key came with another request before; use a new key for each request.")
    return Answer(row[1], row[2], replayed=True)


def _new(account_id: UUID, key: str, request_digest: bytes, work: Callable[[], Answer]) -> Answer:
    answer = replace(work(), replayed=False)
    with connection.cursor() as cursor:
        cursor.execute(
            SQL["remember"],
            {
                "account_id": account_id,
                "key": key,
                "request_digest": request_digest,
                "status": answer.status,
                "answer": answer.body,
            },
        )
    return answer


def forget_old() -> int:
    """Forget answers older than `KEPT`; answers how many. Any transaction; no locks expected."""
    with connection.cursor() as cursor:
        cursor.execute(SQL["forget"], {"kept": KEPT})
        return cursor.rowcount
