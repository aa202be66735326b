"""Eight senders, ten kills: whatever dies in between, every event is debited exactly once, to the cent of the oracle."""

import contextlib
import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connections
from django.db.models import Sum

from tests.cast import a_rate, an_account, funded
from tests.model import books
from tests.processes import APPLICATION, free_port, wait_until_alive
from tollbook.accounts.audit import OPERATOR_ID, SYSTEM
from tollbook.accounts.key import create
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.usage.tables import UsageEvent, UsageSum
from tollbook.wallets.tables import Wallet

EVENTS, REPEATS, SENDERS, KILLS = 10_000, 5_000, 8, 10
RATES = {  # type: cents, initial seconds, step seconds
    "email": ("0.08", 1, 1),
    "ringless_voicemail": ("1.5", 6, 6),
    "speech_to_text": ("1.2", 15, 15),
    "conversational_ai": ("7.5", 30, 6),
    "sms": ("0.75", 1, 1),
    "inbound": ("0.6", 60, 60),
    "outbound": ("1.4", 30, 6),
}
PIECES = ("email", "sms")
SLUGS = ("northwind", "contoso")

Sent = list[dict[str, Any]]


class Web:
    """The web process, in a session of its own so that nothing of it outlives a kill."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | environment
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        arguments = ["granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(self.port), APPLICATION]
        with open(self._log, "ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until_alive(self.address, self._process, self._log)

    def kill(self) -> None:
        """SIGKILL all of it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def running_web(environment: dict[str, str], log: Path) -> Iterator[Web]:
    """The web process for the length of the block."""
    made = Web(environment, log)
    try:
        yield made
    finally:
        made.kill()


def some_events(dice: random.Random) -> Sent:
    """Events of both accounts and all types within the last month; quantities with up to two decimal places."""
    now = datetime.now(UTC)
    return [
        {
            "id": f"event-{number}",
            "account": dice.choice(SLUGS),
            "type": dice.choice([*RATES]),
            "quantity": str(Decimal(dice.choice([0, dice.randint(1, 90), dice.randint(1, 90_000)])) / 100),
            "occurred_at": (now - timedelta(seconds=dice.randint(0, 2_592_000))).isoformat(),
            "to": dice.choice(["", "+15551234"]),
            "attributes": {"agent": dice.choice(["a", "b"])},
        }
        for number in range(EVENTS)
    ]


def batches(events: Sent, dice: random.Random) -> "queue.Queue[Sent]":
    """All events, half of them again, in any order, in batches of 1 to 120."""
    told = events + dice.sample(events, REPEATS)
    dice.shuffle(told)
    waiting: queue.Queue[Sent] = queue.Queue()
    while told:
        size = dice.randint(1, 120)
        waiting.put(told[:size])
        told = told[size:]
    return waiting


class Senders:
    """Eight connections that tell every batch until it is acknowledged."""

    def __init__(self, address: str, secret: str, waiting: "queue.Queue[Sent]") -> None:
        self._client = {"base_url": address, "headers": {"Authorization": f"Bearer {secret}"}, "trust_env": False}
        self._waiting = waiting
        self._lock = threading.Lock()
        self.acknowledged = self.tries = 0
        self.answers: list[dict[str, Any]] = []
        self.surprises: list[str] = []
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        with httpx.Client(timeout=20, **self._client) as client:
            while True:
                try:
                    batch = self._waiting.get_nowait()
                except queue.Empty:
                    return
                while not self._acknowledged(client, batch):
                    time.sleep(0.1)

    def _acknowledged(self, client: httpx.Client, batch: Sent) -> bool:
        with self._lock:
            self.tries += 1
        try:
            answer = client.post("/api/v1/usage", content=json.dumps(batch))
        except httpx.TransportError:
            return False
        with self._lock:
            if answer.status_code == 200:
                self.acknowledged += len(batch)
                self.answers.append(answer.json())
            elif answer.status_code != 503:
                self.surprises.append(answer.text)
        return answer.status_code == 200

    def until(self, acknowledged: int) -> None:
        """Wait until so many events are acknowledged."""
        deadline = time.monotonic() + 120
        while self.acknowledged < acknowledged and any(thread.is_alive() for thread in self._threads):
            assert time.monotonic() < deadline, f"stuck at {self.acknowledged}: {self.surprises[:3]}"
            time.sleep(0.01)

    def join(self) -> None:
        """Wait for the end."""
        self.until(EVENTS + REPEATS)
        for thread in self._threads:
            thread.join(60)


def oracle(events: Sent) -> dict[str, books.Account]:
    """What plain Python makes of the events."""
    rules = {
        kind: books.Rule(Fraction(cents), initial=initial, step=step, timed=kind not in PIECES)
        for kind, (cents, initial, step) in RATES.items()
    }
    accounts = {
        slug: books.Account(rules, {kind: books.Wallet(paid=Fraction(100)) for kind in RATES}) for slug in SLUGS
    }
    for event in events:
        outcome = accounts[event["account"]].use(event["id"], event["type"], Fraction(event["quantity"]))
        assert outcome == "accepted"
    return accounts


def world() -> tuple[dict[str, Account], str]:
    """Two accounts with credit, the rates, and a key for both."""
    for kind, (cents, initial, step) in RATES.items():
        a_rate(kind, cents, initial, step)
    accounts = {slug: an_account(slug) for slug in SLUGS}
    for account in accounts.values():
        for kind in RATES:
            funded(account, kind, "100")
    return accounts, create(OPERATOR_ID, "switch", ["usage"], SYSTEM)[1]


@pytest.mark.faults
def test_ten_thousand_events_are_debited_exactly_once_under_ten_kills(fresh_server, tmp_path: Path) -> None:
    """Flexprice's docs, OpenMeter's code: duplicates removed only later, or remembered for a limited time. Not here."""
    dice = random.Random(815)
    events = some_events(dice)
    accounts, secret = world()
    connections.close_all()  # or ours would be among those that the kills break
    with running_web(fresh_server.database.environment(), tmp_path / "web.log") as web:
        senders = Senders(web.address, secret, batches(events, dice))
        for turn in range(KILLS):
            senders.until((EVENTS + REPEATS) * (turn + 1) // (KILLS + 2))
            if turn % 2:
                fresh_server.kill()
                fresh_server.server.start()
            else:
                web.kill()
                web.start()
        senders.join()

    assert senders.surprises == []
    assert sum(len(answer["rejected"]) for answer in senders.answers) == 0
    assert sum(answer["accepted"] for answer in senders.answers) <= EVENTS
    assert senders.tries > len(senders.answers), "no kill was noticed by a sender: this test has shown nothing"
    for slug, expected in oracle(events).items():
        account_id = accounts[slug].id
        stored = UsageEvent.objects.filter(account_id=account_id)
        assert set(stored.values_list("event_id", flat=True)) == set(expected.seen)
        for wallet in Wallet.objects.filter(account_id=account_id):
            model = expected.wallets[wallet.type_code]
            assert Fraction(wallet.paid + wallet.granted) == model.balance, (slug, wallet.type_code)
            assert Fraction(wallet.spent_since_funding) == 100 - model.balance
            cost = stored.filter(type_code=wallet.type_code).aggregate(all=Sum("cost"))["all"]
            summed = UsageSum.objects.filter(account_id=account_id, type_code=wallet.type_code)
            assert Fraction(cost) == Fraction(summed.aggregate(all=Sum("cost"))["all"]) == 100 - model.balance
    assert audit() == []
