"""Every error as `application/problem+json` (RFC 9457). `code` is stable and made for machines, `detail` for people.

What is ours to mend (500) tells nothing of our inside; it is in the log under the request's id.
"""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
from django.db import InterfaceError, OperationalError
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from tollbook import logs
from tollbook.accounts.remember import InProgress
from tollbook.errors import Refused, TryLater
from tollbook.web.errors import status_of
from tollbook.web.intake import TooLarge, Unbearable

log = logging.getLogger("tollbook.web")
MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1

_CODES = {
    400: "invalid",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
}
AWAY = (
    "The database does not answer. Repeat the request: with the same ids (and Idempotency-Key) nothing is done twice, "
    "and what was recorded already counts as duplicate."
)


class Problem(msgspec.Struct, kw_only=True):
    """An error, as machines get it. Further members stand beside these, such as `field` or `available`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str


def problem(status: int, code: str, detail: str, **more: Any) -> str:
    """The JSON text of an error."""
    known = {
        "type": f"urn:tollbook:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": logs.request_id.get(),
    }
    return msgspec.json.encode({**more, **known}).decode()


def of_refusal(error: Refused) -> tuple[int, str]:
    """The status and the JSON text of a refusal."""
    status = status_of(error)
    return status, problem(status, error.code, error.message, **error.details)


def answer(status: int, text: str, headers: dict[str, str] | None = None) -> Response[str]:
    """An error as a response."""
    return Response(text, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def on_refusal(request: Request[Any, Any, Any], error: Refused) -> Response[str]:
    """The domain refused, for good or, when the answer says `Retry-After`, for now."""
    status, text = of_refusal(error)
    if not isinstance(error, TryLater | InProgress):
        return answer(status, text)
    return answer(status, text, {"Retry-After": str(error.details.get("retry_after_seconds", RETRY_AFTER_SECONDS))})


def of_body(error: Unbearable) -> tuple[str, str]:
    """The media type and the JSON text about a body that is too large or too slow."""
    return MEDIA_TYPE, problem(error.status, error.code, error.sentence)


def on_body(request: Request[Any, Any, Any], error: Unbearable) -> Response[str]:
    """The body is too large or too slow; the rest of it is not waited for."""
    return answer(error.status, of_body(error)[1], {"Connection": "close"})


def on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[str]:
    """The framework or the door refused: no such route, method, key, scope; bad parameters."""
    status = error.status_code
    if status >= 500:
        return on_defect(request, error)
    detail = TooLarge.sentence if status == TooLarge.status else _SENTENCES.get(status, error.detail)
    if isinstance(error, ValidationException) and isinstance(error.extra, list):
        detail = "; ".join(f"{fault.get('key', 'body')}: {fault['message']}" for fault in error.extra)
    code = _CODES.get(status, HTTPStatus(status).phrase.lower().replace(" ", "_"))
    return answer(status, problem(status, code, detail), error.headers)


def on_database_away(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """The database can't be reached or gave up; nothing that was not acknowledged counts as done."""
    log.warning("database", exc_info=error)
    return answer(503, problem(503, "try_later", AWAY), {"Retry-After": str(RETRY_AFTER_SECONDS)})


def on_defect(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
    """A defect of ours."""
    log.error("unexpected", exc_info=error)
    sentence = "Something went wrong on our side. It is noted under this request's id."
    return answer(500, problem(500, "internal_error", sentence))


HANDLERS: dict[int | type[Exception], Any] = {
    Refused: on_refusal,
    Unbearable: on_body,
    HTTPException: on_http,
    OperationalError: on_database_away,
    InterfaceError: on_database_away,
    Exception: on_defect,
}
