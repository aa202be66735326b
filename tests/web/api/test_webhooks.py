"""Webhooks at the door: verified before anything is touched, stored once, acknowledged."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test.utils import override_settings
from litestar.testing import TestClient
from stripe import WebhookSignature

from tests.databases import Database
from tests.web.test_intake import finished
from tollbook.payments.tables import GatewayEventSeen
from tollbook.web.api.app import api
from tollbook.web.api.gateways import LARGEST

SECRET = "whsec_test"
EVENT = {
    "id": "evt_1", "object": "event", "type": "charge.dispute.created", "created": 1_795_000_000,
    "data": {"object": {"id": "dp_1", "object": "dispute"}},
}  # fmt: skip
OFFERED = {"stripe": "tollbook.payments.stripe.adapter.Stripe", "manual": "tollbook.payments.manual.Manual"}


@pytest.fixture
def door(db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("TOLLBOOK_STRIPE_WEBHOOK_SECRETS", f"whsec_old, {SECRET}")
    with override_settings(GATEWAYS=OFFERED), TestClient(api) as client:
        yield client


def sent(door: TestClient, event: dict[str, Any], gateway: str = "stripe", secret: str = SECRET, **headers: str) -> Any:
    body = json.dumps(event)
    signature = WebhookSignature.generate_signature_header(body, secret)
    return door.post(
        f"/api/v1/gateways/{gateway}/webhook", content=body, headers={"Stripe-Signature": signature, **headers}
    )


def test_a_genuine_webhook_is_stored_once_and_acknowledged_each_time(door: TestClient) -> None:
    for _ in range(3):
        answer = sent(door, EVENT)
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert sent(door, EVENT | {"id": "evt_2"}, secret="whsec_old").status_code == 200
    stored = GatewayEventSeen.objects.order_by("event_id")
    assert [(one.event_id, one.kind, one.object_reference, one.done_at) for one in stored] == [
        ("evt_1", "dispute", "dp_1", None),
        ("evt_2", "dispute", "dp_1", None),
    ]


def test_what_is_not_genuine_is_refused_and_leaves_nothing(door: TestClient) -> None:
    body = json.dumps(EVENT)
    signed = WebhookSignature.generate_signature_header
    late = signed(body, SECRET, int(time.time()) - 301)
    early = signed(body, SECRET, int(time.time()) + 310)
    for header in ("", "t=1,v1=00", late, early, signed(body, "whsec_other"), signed(body + " ", SECRET)):
        answer = door.post("/api/v1/gateways/stripe/webhook", content=body, headers={"Stripe-Signature": header})
        assert answer.status_code == 400, header
        assert answer.headers["content-type"] == "application/problem+json"
    assert sent(door, EVENT, "manual").status_code == 400, "no bank speaks to us"
    assert GatewayEventSeen.objects.count() == 0


def test_there_is_no_door_for_a_gateway_that_is_not_offered(door: TestClient) -> None:
    assert sent(door, EVENT, "simulated").status_code == 404
    assert sent(door, EVENT, "nothing").status_code == 404
    assert door.get("/api/v1/gateways/stripe/webhook").status_code == 405


def test_an_endless_body_is_refused_unread(door: TestClient) -> None:
    assert sent(door, EVENT | {"padding": "x" * LARGEST}).status_code == 413
    assert GatewayEventSeen.objects.count() == 0


class Endless:
    """A sender whose body has no end: how many pieces were read of it, and what it was answered."""

    def __init__(self) -> None:
        self.read = 0
        self.told: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.read += 1
        return {"type": "http.request", "body": b"x" * PIECE, "more_body": True}

    async def send(self, message: dict[str, Any]) -> None:
        self.told.append(message)


PIECE = 64 * 1024


@pytest.mark.parametrize("path", ["/api/v1/gateways/stripe/webhook", "/api/v1/gateways/stripe/webhook/"])
@pytest.mark.parametrize(
    ("announced", "most"),
    [((b"content-length", b"524289"), 0), ((b"transfer-encoding", b"chunked"), LARGEST // PIECE + 1)],
)
def test_no_more_of_a_body_is_kept_than_a_webhook_can_be(
    db: Database, path: str, announced: tuple[bytes, bytes], most: int
) -> None:
    sender = Endless()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": [announced],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 5), "state": {},
    }  # fmt: skip
    with override_settings(GATEWAYS=OFFERED):
        finished(api(scope, sender.receive, sender.send))
    assert sender.told[0]["status"] == 413 and sender.read <= most
    assert (b"connection", b"close") in [(name.lower(), text) for name, text in sender.told[0]["headers"]]


def test_without_a_secret_nothing_is_genuine(door: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLBOOK_STRIPE_WEBHOOK_SECRETS")
    assert sent(door, EVENT).status_code == 400
    assert sent(door, EVENT, secret="").status_code == 400
