"""Simulated live traffic: all seven kinds of service, sent through the public API as an operator's platform would.

Short things (messages, transcriptions, finished inbound calls) are reported in small batches. Outbound calls and
conversations hold credit first, hold more while they go on, and are captured when they end. A batch that could not be
delivered is sent again with the same ids. One thread, some requests a second, until it is told to stop.
"""

import logging
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

import httpx

log = logging.getLogger("tollbook.demo.traffic")

PAUSE_SECONDS = 0.4
LIVE_CALLS = 8
SLICE_SECONDS = 60
AGENTS = ["a.okafor", "b.lindqvist", "c.moreau", "d.tanaka", "e.santos", "f.novak"]
CAMPAIGNS = ["Autumn renewals", "Welcome calls", "Overdue reminders", "Survey"]
ACCOUNTS = {"northwind": 9, "contoso": 1}


@dataclass
class Call:
    """A call in progress: the hold that pays for it, how long it will last, how much of it is held."""

    account: str
    type: str
    event_id: str
    to: str
    lasts_seconds: float
    hold_id: str = ""
    held_seconds: int = SLICE_SECONDS
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return time.monotonic() - self.began


def send_until(stop: threading.Event, url: str, key: str) -> None:
    """Send traffic to the API at `url` with `key` until `stop`; calls in progress are then captured as they stand."""
    headers = {"Authorization": f"Bearer {key}", "User-Agent": "tollbook-demo"}
    with httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=10) as client:
        platform = Platform(client, random.Random())
        while not stop.wait(PAUSE_SECONDS):
            platform.step()
        platform.hang_up()


class Platform:
    """A small communications platform: sends messages, carries calls, and tells Tollbook."""

    def __init__(self, client: httpx.Client, dice: random.Random) -> None:
        self._client = client
        self._dice = dice
        self._calls: list[Call] = []
        self._unsent: list[dict[str, object]] = []

    def step(self) -> None:
        """One beat: report what happened, start a call now and then, carry on those in progress."""
        self._report([*self._happenings()])
        if len(self._calls) < LIVE_CALLS and self._dice.random() < 0.25:
            self._dial()
        for call in list(self._calls):
            self._carry_on(call)

    def hang_up(self) -> None:
        """End every call now."""
        for call in list(self._calls):
            self._capture(call)

    def _happenings(self) -> Iterator[dict[str, object]]:
        kinds = [("sms", 4, 1, 3), ("email", 4, 1, 40), ("inbound", 2, 20, 400), ("ringless_voicemail", 1, 15, 45)]
        kinds.append(("speech_to_text", 1, 20, 300))
        for _ in range(self._dice.randint(0, 4)):
            type_code, _, least, most = self._dice.choices(kinds, [weight for _, weight, _, _ in kinds])[0]
            yield self._event(type_code, self._dice.randint(least, most))

    def _event(self, type_code: str, quantity: int) -> dict[str, object]:
        return {
            "id": f"live:{uuid4().hex}",
            "account": self._account(),
            "type": type_code,
            "quantity": quantity,
            "occurred_at": datetime.now(UTC).isoformat(),
            "to": self._number() if type_code in ("sms", "inbound", "ringless_voicemail") else "",
            "attributes": self._attributes(),
        }

    def _report(self, events: list[dict[str, object]]) -> None:
        self._unsent += events
        if not self._unsent:
            return
        answer = self._post("/usage", self._unsent)
        if answer is not None and answer.status_code == 200:
            self._unsent = []
            for rejected in answer.json()["rejected"]:
                log.warning("event rejected: %s", rejected["message"])

    def _dial(self) -> None:
        type_code = self._dice.choice(["outbound", "outbound", "conversational_ai"])
        call = Call(self._account(), type_code, f"live:{uuid4().hex}", self._number(), self._dice.uniform(15, 180))
        asked = {
            "event_id": call.event_id,
            "account": call.account,
            "type": type_code,
            "quantity": SLICE_SECONDS,
            "to": call.to,
            "ttl_seconds": 300,
        }
        answer = self._post("/holds", asked)
        if answer is not None and answer.status_code == 201:
            call.hold_id = answer.json()["id"]
            self._calls.append(call)

    def _carry_on(self, call: Call) -> None:
        if call.seconds >= call.lasts_seconds:
            self._capture(call)
        elif call.seconds > call.held_seconds - 10:
            answer = self._post(f"/holds/{call.hold_id}/extend", {"quantity": SLICE_SECONDS})
            if answer is not None and answer.status_code < 300:
                call.held_seconds += SLICE_SECONDS
            elif answer is not None and answer.status_code == 402:
                call.lasts_seconds = call.held_seconds - 2  # the credit ends, so the call ends within what is held

    def _capture(self, call: Call) -> None:
        used = {
            "quantity": max(1, round(call.seconds)),
            "occurred_at": datetime.now(UTC).isoformat(),
            "attributes": self._attributes(),
        }
        answer = self._post(f"/holds/{call.hold_id}/capture", used)
        if answer is not None:
            self._calls.remove(call)

    def _post(self, path: str, body: object) -> httpx.Response | None:
        """The answer; None when the server is away or too busy, and the same thing should be tried at the next beat."""
        try:
            answer = self._client.post(path, json=body)
        except httpx.TransportError as error:
            log.info("not delivered, will be repeated: %s", type(error).__name__)
            return None
        return None if answer.status_code in (429, 503) else answer

    def _account(self) -> str:
        return self._dice.choices([*ACCOUNTS], [*ACCOUNTS.values()])[0]

    def _number(self) -> str:
        return f"+1{self._dice.choice(['212', '312', '415', '617', '305'])}555{self._dice.randint(100, 199):04d}"

    def _attributes(self) -> dict[str, str]:
        return {"campaign": self._dice.choice(CAMPAIGNS), "agent": self._dice.choice(AGENTS)}
