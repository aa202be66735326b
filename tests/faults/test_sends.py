"""Every id sent five times, over eight connections, with restarts: each is debited once, and never twice for a moment."""

import os
import queue
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import DatabaseError, InterfaceError, connections

from tests.databases import Database
from tests.faults import world
from tests.faults.senders import Senders
from tests.faults.serving import Web, own_server, running_web
from tollbook.audit.books import audit

pytestmark = [pytest.mark.faults, own_server]

IDS = int(os.environ.get("TOLLBOOK_FAULT_IDS", "4000"))
"""How many ids are sent, each five times; 200,000 when it is to be shown."""

TIMES, CONNECTIONS, RESTARTS = 5, 8, 6
TOGETHER = 400
LARGEST_BATCH = max(20, IDS // 400)

COSTS = {("sms", "1"): Decimal("0.0075"), ("outbound", "61"): Decimal("0.0154")}
"""What one event costs: 1 segment of 0.75 cents; 61 seconds in steps of 30/6, so 66 seconds of 1.4 cents a minute."""

SAMPLE = """
SELECT a.slug, w.type_code, w.paid + w.granted, e.events, e.ids, e.cost
FROM wallet w JOIN account a ON a.id = w.account_id CROSS JOIN LATERAL (
    SELECT count(*) AS events, count(DISTINCT event_id) AS ids, coalesce(sum(cost), 0) AS cost
    FROM usage_event WHERE account_id = w.account_id AND type_code = w.type_code
) e WHERE w.type_code IN ('sms', 'outbound')
"""


def events() -> world.Batch:
    """All ids, each of one of four wallets, all of one wallet at the same cost."""
    now = datetime.now(UTC).isoformat()
    kinds = [(slug, *kind) for slug in world.SLUGS for kind in COSTS]
    told = []
    for number in range(IDS):
        slug, type_code, quantity = kinds[number % len(kinds)]
        told.append({"id": f"id-{number}", "account": slug, "type": type_code, "quantity": quantity, "occurred_at": now})
    return told


def sends(told: world.Batch, dice: random.Random) -> "queue.Queue[world.Batch]":
    """Every event five times: three times within a moment, so that connections race for it, and twice any time."""
    row: world.Batch = []
    for start in range(0, len(told), TOGETHER):
        near = told[start : start + TOGETHER] * (TIMES - 2) + dice.sample(told, min(len(told), TOGETHER))
        dice.shuffle(near)
        row += near
    row += (told * TIMES)[: len(told) * TIMES - len(row)]
    waiting: queue.Queue[world.Batch] = queue.Queue()
    place = 0
    while place < len(row):
        size = dice.randint(1, LARGEST_BATCH)
        waiting.put(row[place : place + size])
        place += size
    return waiting


@dataclass
class Watch:
    """Looks at the balances all the while, in one snapshot after another, and through the API."""

    database: Database
    web: Web
    secret: str
    samples: int = 0
    answers: int = 0
    audits: int = 0
    wrong: list[object] = field(default_factory=list)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """For the length of the block."""
        stop = threading.Event()
        looks = (self._snapshot, self._ask, self._audit)
        threads = [threading.Thread(target=self._look, args=(stop, look), daemon=True) for look in looks]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(60)

    def _look(self, stop: threading.Event, look) -> None:  # type: ignore[no-untyped-def]
        while not stop.wait(0.1):
            try:
                look()
            except (psycopg.OperationalError, DatabaseError, InterfaceError, httpx.TransportError):
                connections.close_all()  # the database or the web process is being restarted
        connections.close_all()

    def _snapshot(self) -> None:
        with psycopg.connect(self.database.owner_url) as connection:
            rows = connection.execute(SAMPLE).fetchall()
        self.samples += 1
        for slug, type_code, balance, count, ids, cost in rows:
            if count != ids or balance != world.FUNDED - cost or cost != ids * cost_of(type_code):
                self.wrong.append((slug, type_code, balance, count, ids, cost))

    def _ask(self) -> None:
        for slug in world.SLUGS:
            answer = httpx.get(
                f"{self.web.address}/api/v1/accounts/{slug}/wallets",
                headers={"Authorization": f"Bearer {self.secret}"}, timeout=30, trust_env=False,
            )  # fmt: skip
            if answer.status_code == 200:
                self.answers += 1
                self.wrong += [item for item in answer.json()["items"] if not possible(item)]
            elif answer.status_code != 503:
                self.wrong.append(answer.text)

    def _audit(self) -> None:
        self.wrong += audit()
        self.audits += 1


def cost_of(type_code: str) -> Decimal:
    """What one event of this type costs."""
    return next(cost for (code, _), cost in COSTS.items() if code == type_code)


def possible(item: dict[str, str]) -> bool:
    """Whether a wallet's balance is what some number of different events leaves, and not less than what all of them do."""
    spent = world.FUNDED - Decimal(item["balance"])
    if item["type"] not in ("sms", "outbound"):
        return spent == 0
    cost = cost_of(item["type"])
    return spent % cost == 0 and spent <= cost * -(-IDS // 4)


def restart(turn: int, web: Web, fresh_server) -> None:  # type: ignore[no-untyped-def]
    """In turn: the web process asked to end, the web process killed, the database killed."""
    match turn % 3:
        case 0:
            web.end()
            web.start()
        case 1:
            web.kill()
            web.start()
        case _:
            fresh_server.kill()
            fresh_server.server.start()


def test_every_id_is_debited_once_however_often_and_by_whomever_it_is_sent(fresh_server, tmp_path: Path) -> None:
    """Lago's and OpenMeter's ways, where a duplicate shows until something removes it, would fail the watch."""
    made, told = world.made(), events()
    waiting = sends(told, random.Random(4711))

    def source() -> world.Batch | None:
        try:
            return waiting.get_nowait()
        except queue.Empty:
            return None

    started = time.monotonic()
    with running_web(fresh_server.database.environment(), tmp_path / "web.log") as web:
        watch = Watch(fresh_server.database, web, made.secret)
        with watch.going_on():
            senders = Senders(web.address, made.secret, CONNECTIONS, source)
            for turn in range(RESTARTS):
                senders.until(IDS * (turn + 1) // (RESTARTS + 1))
                restart(turn, web, fresh_server)
            senders.join()
    took = time.monotonic() - started

    assert watch.wrong == []
    assert watch.samples > 3 and watch.answers > 3 and watch.audits > 0, "nobody looked: this test has shown nothing"
    assert senders.surprises == [] and senders.rejected == []
    assert senders.accepted <= IDS
    assert senders.accepted + senders.duplicates == IDS * TIMES
    assert senders.duplicates >= IDS * (TIMES - 1)
    world.prove(made, told)
    print(
        f"{IDS * TIMES} sends of {IDS} ids in {took:.0f} s with {RESTARTS} restarts; {watch.samples} snapshots, "
        f"{watch.answers} answers and {watch.audits} audits while it went on"
    )
