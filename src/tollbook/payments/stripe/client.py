"""The official SDK as Tollbook uses it: bounded in time, repeating nothing by itself, never inside a transaction.

The SDK alone waits 80 s for each read and has no limit for the whole of an answer; who asks again, and with which key, is
decided by what is in the database, so nothing is repeated here.
"""

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import httpx
import stripe
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from tollbook.payments.gateway import TIMEOUT_SECONDS, refuse_inside_a_transaction

CONNECT_SECONDS, READ_SECONDS = 5.0, 12.0
WHOLE_SECONDS = TIMEOUT_SECONDS - 2
LARGEST_ANSWER = 8 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}

stripe.enable_telemetry = False


class BoundedClient(stripe.HTTPClient):
    """Sends one request, once, and gives up after `WHOLE_SECONDS` however slowly the answer drips."""

    name = "httpx"

    def __init__(self) -> None:
        super().__init__()
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, *, _usage: Any = None
    ) -> tuple[str, int, Mapping[str, str]]:
        """Status, headers and text of the answer. Raises APIConnectionError; RuntimeError inside a transaction."""
        refuse_inside_a_transaction()
        ends_at = time.monotonic() + WHOLE_SECONDS
        try:
            with self._http.stream(method, url, headers=dict(headers or {}), content=post_data) as answer:
                return _read(answer, ends_at), answer.status_code, answer.headers
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(f"{type(error).__name__} from the gateway", should_retry=False) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def client() -> stripe.StripeClient:
    """The client for the key and the address in the settings, as they are now: a new secret needs no restart."""
    key = settings.STRIPE_SECRET_KEY.read()
    if not key:
        raise ImproperlyConfigured("TOLLBOOK_STRIPE_SECRET_KEY or TOLLBOOK_STRIPE_SECRET_KEY_FILE is not set")
    return _client(key, checked_base(settings.STRIPE_API_BASE))


def checked_base(address: str) -> str:
    """The API's address. Raises ImproperlyConfigured for one to which the key would travel in the clear."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ImproperlyConfigured("TOLLBOOK_STRIPE_API_BASE must begin with https://, except on this machine")
    return address.rstrip("/")


@lru_cache(maxsize=4)
def _client(key: str, base: str) -> stripe.StripeClient:
    bases: Any = {"api": base, "connect": base, "files": base, "meter_events": base}
    return stripe.StripeClient(key, base_addresses=bases, max_network_retries=0, http_client=BoundedClient())


def _read(answer: httpx.Response, ends_at: float) -> str:
    parts, size = [], 0
    for part in answer.iter_bytes():
        parts.append(part)
        size += len(part)
        if time.monotonic() > ends_at:
            raise httpx.ReadTimeout("the answer takes too long")
        if size > LARGEST_ANSWER:
            raise httpx.ReadError("the answer is too long")
    return b"".join(parts).decode("utf-8", "replace")
