"""What every request gets: an id in the logs and the answer, security headers, and refusals turned into pages."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from tollbook import logs
from tollbook.errors import Refused
from tollbook.metrics import count_request
from tollbook.web.errors import status_of

log = logging.getLogger("tollbook.web")
_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Content-Type-Options": "nosniff",
}

Handler = Callable[[HttpRequest], HttpResponse]


def request_id_from(given: str) -> str:
    """The caller's own request id when it is harmless in a log line, else a new one."""
    return given if _ACCEPTABLE_ID.fullmatch(given) else uuid.uuid4().hex


class RequestIdMiddleware:
    """Gives each request an id (`X-Request-Id`) and writes one line of log when it is answered."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request, timed and logged."""
        request.id = request_id_from(request.headers.get("X-Request-Id", ""))
        logs.request_id.set(request.id)
        started = time.perf_counter()
        response = self.get_response(request)
        took_ms = round((time.perf_counter() - started) * 1000, 1)
        response["X-Request-Id"] = request.id
        count_request(f"/{request.resolver_match.route}" if request.resolver_match else "nowhere", response.status_code)
        response["Server-Timing"] = f"app;dur={took_ms}"
        log.info(
            "request",
            extra={"method": request.method, "path": request.path, "status": response.status_code, "took_ms": took_ms},
        )
        return response


class SecurityHeadersMiddleware:
    """The strict content security policy and its relatives, on every answer."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with the headers set; pages about money are never kept by a cache."""
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        if not request.path.startswith("/static/"):
            response.setdefault("Cache-Control", "private, no-store")
        return response


class RefusalMiddleware:
    """Turns a domain's `Refused` that a view did not handle itself into the page for its status."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass on; the work is in `process_exception`."""
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """The page for a refusal; None (Django's own 500) for anything else."""
        if not isinstance(error, Refused):
            return None
        status = status_of(error)
        page = f"{status}.html" if status in (400, 403, 404) else "400.html"
        return render(request, page, {"refusal": error}, status=status)
