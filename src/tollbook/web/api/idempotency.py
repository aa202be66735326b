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
from tollbook.web.api.gathered import Reply


def answer(
    request: Request[Any, Any, Any], account_id: UUID, body: bytes, status: int, work: Callable[[], msgspec.Struct]
) -> Response[Any]:
    """The answer to a request that moves money: `work`, done once, in one transaction with the memory of its answer.

    Without the header, `work` is simply done. A refusal is remembered too, except one that says to try again later.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return Response(in_transaction(work), status_code=status)
    digest = digest_of(request.method, request.url.path, body)
    return _response(once(account_id, key, digest, lambda: _settled(status, work)))


def digest_of(method: str, path: str, body: bytes) -> bytes:
    """What tells one request from another."""
    return sha256(f"{method} {path}\n".encode() + body).digest()


def settled(status: int, outcome: msgspec.Struct | Refused) -> Answer:
    """What is remembered of an outcome, `status` being that of success."""
    if isinstance(outcome, Refused):
        return Answer(*problems.of_refusal(outcome))
    return Answer(status, msgspec.json.encode(outcome).decode())


def reply(answer: Answer) -> Reply:
    """A remembered answer, as it is sent past the framework."""
    return Reply(answer.status, answer.body.encode(), _media_type(answer), _headers(answer))


def _settled(status: int, work: Callable[[], msgspec.Struct]) -> Answer:
    try:
        with transaction.atomic():
            return settled(status, work())
    except TryLater:
        raise
    except Refused as refusal:
        return settled(status, refusal)


def _response(answer: Answer) -> Response[str]:
    return Response(answer.body, status_code=answer.status, media_type=_media_type(answer), headers=_headers(answer))


def _media_type(answer: Answer) -> str:
    return "application/json" if answer.status < 400 else problems.MEDIA_TYPE


def _headers(answer: Answer) -> dict[str, str]:
    return {"Idempotency-Replayed": "true"} if answer.replayed else {}
