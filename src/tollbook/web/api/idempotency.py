"""A request repeated with its Idempotency-Key gets its first answer, whatever happened in between."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from litestar import Request, Response

from tollbook.accounts.remember import Answer, once
from tollbook.errors import Refused, TryLater
from tollbook.postgres.retry import in_transaction
from tollbook.web.api import problems


def answer(
    request: Request[Any, Any, Any], account_id: UUID, body: bytes, status: int, work: Callable[[], msgspec.Struct]
) -> Response[Any]:
    """The answer to a request that moves money: `work`, done once, in one transaction with the memory of its answer.

    Without the header, `work` is simply done. A refusal is remembered too, except one that says to try again later.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return Response(in_transaction(work), status_code=status)
    return _response(once(account_id, key, digest_of(request, body), lambda: _settled(status, work)))


def digest_of(request: Request[Any, Any, Any], body: bytes) -> bytes:
    """What tells one request from another: method, path and body."""
    return sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()


def _settled(status: int, work: Callable[[], msgspec.Struct]) -> Answer:
    try:
        with transaction.atomic():
            return Answer(status, msgspec.json.encode(work()).decode())
    except TryLater:
        raise
    except Refused as refusal:
        return Answer(*problems.of_refusal(refusal))


def _response(answer: Answer) -> Response[str]:
    return Response(
        answer.body,
        status_code=answer.status,
        media_type="application/json" if answer.status < 400 else problems.MEDIA_TYPE,
        headers={"Idempotency-Replayed": "true"} if answer.replayed else None,
    )
