"""An endpoint's secret, and the signature of a message by it (Standard Webhooks 1.0).

A secret is derived from the installation's key, the endpoint and its generation; so the database holds none, and a copy of
the database signs nothing. `fingerprint` notices that the installation's key was changed under an endpoint.
"""

import base64
import hmac
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.conf import settings

PREFIX = "whsec_"
_PURPOSE = b"tollbook webhook secret 1"


def of(account_id: UUID, endpoint_id: UUID, generation: int) -> str:
    """The secret as its owner is shown it, once: `whsec_` and 32 bytes in base64."""
    return PREFIX + base64.b64encode(_derived(account_id, endpoint_id, generation)).decode()


def fingerprint(secret: str) -> str:
    """What may be stored of a secret: enough to know it again, nothing to make it from."""
    return sha256(secret.encode()).hexdigest()[:16]


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """`v1,…`: HMAC-SHA256 over id, second and body."""
    signed = b".".join([message_id.encode(), str(int(at.timestamp())).encode(), body])
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def headers(message_id: str, at: datetime, body: bytes, secrets: list[str]) -> dict[str, str]:
    """The three headers; with several valid secrets, a signature by each."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signature(secret, message_id, at, body) for secret in secrets),
    }


def _derived(account_id: UUID, endpoint_id: UUID, generation: int) -> bytes:
    about = _PURPOSE + account_id.bytes + endpoint_id.bytes + generation.to_bytes(8, "big")
    return hmac.new(settings.WEBHOOK_KEY.encode(), about, sha256).digest()
