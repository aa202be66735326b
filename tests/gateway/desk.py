"""One request, from layer to layer: faults, limiter, API key, version, idempotency, endpoint.

The order is the documented one: the limiter and the key stand before the idempotency layer
(https://docs.stripe.com/error-low-level#content-errors), validation before anything that is remembered
(https://docs.stripe.com/api/idempotent_requests).
"""

import base64
import json
import re
import secrets
import threading
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gateway import (
    charges,
    checkout,
    customers,
    disputes,
    errors,
    events,
    intents,
    methods,
    refunds,
    setups,
    shapes,
)
from tests.gateway.books import Books, Change, Object
from tests.gateway.calls import API_VERSION, ENDPOINTS, Call, Endpoint, render
from tests.gateway.clock import Clock
from tests.gateway.faults import Asked, Fault, Plan
from tests.gateway.limiter import Limiter
from tests.gateway.webhooks import Sender

FAMILIES = (charges, checkout, customers, disputes, events, intents, methods, refunds, setups)
VERSION = re.compile(r"^20\d\d-\d\d-\d\d(\.[a-z]+)?$")
NO_FAULT = Fault("")


@dataclass(frozen=True)
class Request:
    """A request as it came; header names in lower case."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]

    @property
    def key(self) -> str:
        """The idempotency key; it means something for POST only (https://docs.stripe.com/api/idempotent_requests)."""
        return self.headers.get("idempotency-key", "") if self.method == "POST" else ""


@dataclass
class Answer:
    """What is sent, what is told by webhook, and what the socket is to suffer."""

    status: int
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault = NO_FAULT
    events: list[Object] = field(default_factory=list)


class Desk:
    """The gateway but for its sockets."""

    def __init__(self, folder: Path, truth: Path, keys: tuple[str, ...], ahead: float = 0.0) -> None:
        self.clock = Clock(ahead)
        self.books = Books(self.clock, folder, truth)
        self.keys = keys
        self.plan = Plan()
        self.sender = Sender(self.clock, API_VERSION)
        self.limiter = Limiter(self.clock)
        self.search_limiter = Limiter(self.clock, 20)
        self.async_seconds = 1.0
        self.base_url = ""
        self.requests: Counter[str] = Counter()
        for refund in self.books.newest_first("refund"):
            self._ripen(refund)

    def answer(self, request: Request) -> Answer:
        """The answer to one request of the API."""
        request_id = f"req_{secrets.token_hex(7)}"
        fault = self._strike(request)
        try:
            answer = self._in_front(fault) or self._through_layers(request, request_id, fault)
        except errors.Refusal as refusal:
            answer = Answer(refusal.status, _json(refusal.body()))
        except Exception:
            traceback.print_exc()
            answer = Answer(500, _json(errors.broken().body()))
        self.requests[f"{request.method} {answer.status}"] += 1
        answer.fault = fault
        answer.headers |= {"Request-Id": request_id, "Stripe-Version": request.headers.get("stripe-version", API_VERSION)}
        if request.key:
            answer.headers["Idempotency-Key"] = request.key
        return answer

    def change(self, key: str | None = None) -> "Hand":
        """A change made by a hosted page or by a test, not through the API."""
        return Hand(self, key)

    def told(self, events: list[Object]) -> None:
        """The answer is out: send its webhooks, and let ripen what ripens later."""
        self.sender.after_answer(events)
        for event in events:
            if event["type"] == "refund.created":
                self._ripen(self.books.objects[event["data"]["object"]["id"]])

    def _strike(self, request: Request) -> Fault:
        try:
            params = shapes.decode(request.body)
        except errors.Refusal:
            params = {}
        asked = Asked(request.method, request.path, request.body or request.query, request.key, params)
        return self.plan.strike(asked) or NO_FAULT

    def _in_front(self, fault: Fault) -> Answer | None:
        if fault.kind == "drop_before":
            return Answer(0, "")
        if fault.kind == "error_before":
            return Answer(503, _json({"error": {"type": "api_error", "message": "Service unavailable."}}))
        if fault.kind == "rate_limited":
            raise errors.too_many()
        if fault.kind == "stalled":
            time.sleep(fault.seconds)
        return None

    def _through_layers(self, request: Request, request_id: str, fault: Fault) -> Answer:
        limiter = self.search_limiter if request.path.endswith("/search") else self.limiter
        if limiter.full():
            raise errors.too_many()
        self._authenticate(request)
        endpoint, ids = _route(request)
        given = shapes.decode(request.body if request.method == "POST" else request.query)
        if not request.key:
            return self._execute(endpoint, ids, given, None, request_id, fault)
        asked = f"{request.path} {json.dumps(given, sort_keys=True)}"
        with self.books.lock:
            known = self.books.memory.begin(request.key, asked, request_id)
        if known is not None:
            return Answer(known.status, known.body, {"Idempotent-Replayed": "true", "Original-Request": known.request_id})
        return self._execute(endpoint, ids, given, request.key, request_id, fault)

    def _authenticate(self, request: Request) -> None:
        """https://docs.stripe.com/api/authentication (Bearer or Basic), https://docs.stripe.com/api/versioning."""
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            value = base64.b64decode(value).decode(errors="replace").partition(":")[0]
        if not value:
            raise errors.no_key()
        if value not in self.keys:
            raise errors.wrong_key(value)
        version = request.headers.get("stripe-version", API_VERSION)
        if not VERSION.match(version):
            raise errors.Early(400, "invalid_request_error", f"Invalid Stripe API version: {version}")

    def _execute(
        self, endpoint: Endpoint, ids: tuple[str, ...], given: dict[str, Any], key: str | None, request_id: str, fault: Fault
    ) -> Answer:
        remembered = None
        try:
            params = shapes.validate(endpoint.checks, given)
            with self.books.change(key, request_id) as change:
                call = Call(self.books, change, params, ids, self.base_url, int(fault.kind == "wrong_amount"))
                answer = self._run(endpoint, call, fault)
                if key is not None:
                    remembered = self.books.memory.ended(key, answer.status, answer.body)
                    change.remembered = remembered
        finally:
            self._settle_key(key, remembered, fault)
        self.sender.before_answer(answer.events)
        return answer

    def _run(self, endpoint: Endpoint, call: Call, fault: Fault) -> Answer:
        try:
            if fault.kind == "error_failed":
                raise errors.broken()
            thing = endpoint.run(call)
            answer = Answer(200, _json(render(self.books, thing, call.params.get("expand"))))
        except errors.Refusal as refusal:
            if refusal.status != 402:
                self.books.undo(call.change)
            if not refusal.remembered:
                raise
            answer = Answer(refusal.status, _json(refusal.body()))
        if fault.kind == "error_after":
            answer = Answer(500, _json(errors.broken().body()))
        answer.events = call.change.events
        return answer

    def _settle_key(self, key: str | None, remembered: dict[str, Any] | None, fault: Fault) -> None:
        """The key stays in use while an answer is slow to come."""
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        if key is None:
            return
        with self.books.lock:
            if remembered is None:
                self.books.memory.release(key)
            else:
                self.books.memory.restore(remembered)

    def _ripen(self, refund: Object) -> None:
        if not refund["_becomes"]:
            return
        timer = threading.Timer(self.async_seconds, self._become, [refund])
        timer.daemon = True
        timer.start()

    def _become(self, refund: Object) -> None:
        with self.change() as call:
            if refund["_becomes"]:
                refunds.become(call, refund, refund["_becomes"])


class Hand:
    """A change made by a hosted page or a test; its webhooks go out after it."""

    def __init__(self, desk: Desk, key: str | None) -> None:
        self._desk = desk
        self._changing = desk.books.change(key)
        self._change = Change()

    def __enter__(self) -> Call:
        self._change = self._changing.__enter__()
        return Call(self._desk.books, self._change, {}, (), self._desk.base_url)

    def __exit__(self, *error: Any) -> None:
        self._changing.__exit__(*error)
        self._desk.sender.before_answer(self._change.events)
        self._desk.told(self._change.events)


def _route(request: Request) -> tuple[Endpoint, tuple[str, ...]]:
    """https://docs.stripe.com/api: an unknown address is a 404. A fixed address goes before one with an id in it."""
    found = [
        (endpoint, matched.groups()) for endpoint in ENDPOINTS
        if endpoint.method == request.method and (matched := endpoint.address.match(request.path))
    ]
    if not found:
        raise errors.Early(
            404, "invalid_request_error", f"Unrecognized request URL ({request.method}: {request.path}).",
        )
    return min(found, key=lambda pair: len(pair[1]))


def _json(body: Any) -> str:
    return json.dumps(body, indent=2)
