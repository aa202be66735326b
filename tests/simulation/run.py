"""Day after day: usage, people, workers, some of which die; each month books are proven."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from unittest import mock

from django.db import connection, connections
from django.test.utils import override_settings

from tests.databases import Database
from tests.simulation import crash
from tests.simulation.clock import BEGIN, Clock, Ids, simulated, tidy
from tests.simulation.digest import digests
from tests.simulation.gateway import Troubled
from tests.simulation.world import World
from tollbook.audit.books import audit
from tollbook.invoicing.run import bill
from tollbook.payments import collect, refund
from tollbook.refills import run
from tollbook.refills.tables import OPEN_STATES
from tollbook.usage.batch import Batch
from tollbook.usage.fold import fold_due
from tollbook.usage.record import record_batch

A_DAY, MONTH = timedelta(days=1), 30
TURNS, WHOLE = 4, 6
"""Each month the books of every fourth account are audited, by turns; every sixth month, and at the end, all of them."""

PAUSES = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=10), timedelta(hours=1))
"""How workers go on within a day, as long as something is open."""

DEATHS = 0.3
"""On how many of the days a worker dies."""

INSTALLATION = "00000000-0000-7000-8000-000000000001"
SETTINGS = {
    "GATEWAYS": {"simulated": "tests.simulation.gateway.Troubled"}, "REFILLS_AT_ONCE": 1, "PASSWORD_HASHERS": [],
}  # fmt: skip

OPEN = """
SELECT (SELECT count(*) FROM refill WHERE state = ANY(%(states)s))
     + (SELECT count(*) FROM payment_intent WHERE state = ANY(%(states)s))
"""
CHARGED = """
SELECT a.slug, coalesce(c.sum, 0), coalesce(p.sum, 0), coalesce(r.sum, 0), coalesce(t.sum, 0), coalesce(o.sum, 0)
FROM account a
LEFT JOIN (SELECT account_id, sum(amount) FROM simulated_charge WHERE outcome = 'succeeded' GROUP BY 1) c
    ON c.account_id = a.id
LEFT JOIN (SELECT account_id, sum(amount) FROM payment WHERE gateway = 'simulated' GROUP BY 1) p ON p.account_id = a.id
LEFT JOIN (SELECT account_id, sum(amount) FROM refill WHERE state = 'succeeded' GROUP BY 1) r ON r.account_id = a.id
LEFT JOIN (SELECT account_id, sum(balance_after - balance_before) FROM transfer WHERE kind = 'refill' GROUP BY 1) t
    ON t.account_id = a.id
LEFT JOIN (SELECT account_id, sum(amount) FROM (
               SELECT account_id, amount FROM refill WHERE state = ANY(%(states)s)
               UNION ALL SELECT account_id, amount FROM payment_intent WHERE state = ANY(%(states)s)) AS open GROUP BY 1) o
    ON o.account_id = a.id
ORDER BY 1
"""
MONTHS = """
SELECT r.account_id, date_trunc('month', r.charging_at AT TIME ZONE a.timezone), sum(r.amount), max(u.monthly_cap)
FROM refill r
JOIN account a ON a.id = r.account_id
JOIN refill_rule u ON u.account_id = r.account_id AND u.wallet_id = r.wallet_id
WHERE r.state = 'succeeded' OR r.state = ANY(%(states)s) AND r.charging_at IS NOT NULL
GROUP BY 1, 2 HAVING sum(r.amount) > max(u.monthly_cap)
"""
DAYS = """
SELECT r.account_id, (r.charging_at AT TIME ZONE a.timezone)::date, count(*)
FROM refill r
JOIN account a ON a.id = r.account_id
JOIN refill_rule u ON u.account_id = r.account_id AND u.wallet_id = r.wallet_id
WHERE r.state = 'succeeded'
GROUP BY 1, 2, u.max_charges_per_day HAVING count(*) > u.max_charges_per_day
"""


@dataclass
class Told:
    """What a run was like, and the state it ended in."""

    seed: int
    digests: dict[str, str]
    counted: dict[str, int]
    seconds: dict[str, float]

    @property
    def state(self) -> str:
        return self.digests["all"]


@dataclass
class Simulation:
    """One run on a database of its own."""

    db: Database
    world: World
    clock: Clock
    ids: Ids
    deaths: int = 0
    audits: int = 0
    seconds: Counter[str] = field(default_factory=Counter)

    def live(self, days: int) -> None:
        """So many days, and then as long as it takes until nothing is open."""
        with self._timed("opening"):
            self.world.open()
        for day in range(days):
            self._day(day)
            if day % MONTH == MONTH - 1:
                self.prove((day + 1) // MONTH)
        self._calm_down()
        self.prove(WHOLE)

    def prove(self, month: int) -> None:
        """The books of those whose turn it is are whole; of all: what was charged is credited, once; no cap was passed."""
        accounts = [customer.account for customer in self.world.customers]
        some = accounts if month % WHOLE == 0 else accounts[month % TURNS :: TURNS]
        with self._timed("proving"):
            findings = audit(None if some is accounts else some)
            assert findings == [], findings[:5]
            for slug, charged, paid, refilled, credited, under_way in rows_of(CHARGED):
                assert 0 <= charged - paid <= under_way, (slug, charged, paid, under_way)
                assert refilled == credited, (slug, refilled, credited)
            assert rows_of(MONTHS) == [] and rows_of(DAYS) == []
            tidy(self.db)
        self.audits += len(some)
        told = ", ".join(f"{what} {spent:.0f}" for what, spent in self.seconds.items())
        print(f"{self.clock.at:%Y-%m-%d}: books of {len(some)} clean; seconds so far: {told}", flush=True)

    def _day(self, day: int) -> None:
        with self._timed("people"):
            self.world.people(day)
        self._use_and_work(day)
        for pause in PAUSES:
            if not _open():
                break
            self.clock.go_on(pause)
            self._work()
        with self._timed("billing"):
            bill()
            fold_due()
        self._work()
        self.clock.go_on(BEGIN + A_DAY * (day + 1) - self.clock.at)

    def _use_and_work(self, day: int) -> None:
        batch, dice = self.world.usage(day), random.Random(f"{self.world.seed}/death/{day}")
        if dice.random() < DEATHS:
            with self._timed("dying"):
                self.deaths += crash.die(crash.drawn(dice), lambda: self._of_another(day, batch))
        with self._timed("usage"):
            told = record_batch(batch)
            assert not told.rejections, told.rejections
        self._work()

    def _of_another(self, day: int, batch: Batch) -> None:
        self.ids.of_process(day + 1)
        record_batch(batch)
        _work()

    def _work(self) -> None:
        with self._timed("work"):
            _work()

    def _calm_down(self) -> None:
        """No more trouble and no more usage: everything comes to its end."""
        with mock.patch.object(Troubled, "is_calm", True):
            for _ in range(60):
                if not _open():
                    break
                self.clock.go_on(timedelta(hours=1))
                self._work()
        assert not _open(), "unresolved"

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - began


def simulate(db: Database, seed: int, accounts: int, days: int) -> Told:
    """One run on this database, which is empty and nobody else's. Raises AssertionError where a promise is broken."""
    with db.connect("owner") as owner:
        owner.execute("UPDATE installation SET id = %s, made_at = %s", [INSTALLATION, BEGIN])
    with ExitStack() as stack:
        clock, ids = stack.enter_context(simulated(db))
        stack.enter_context(override_settings(**SETTINGS))
        for name, value in {"seed": seed, "now": staticmethod(lambda: clock.at), "begin": BEGIN}.items():
            stack.enter_context(mock.patch.object(Troubled, name, value, create=True))
        for module, name in ((run, "due_wallets"), (run, "unfinished"), (collect, "_unfinished")):
            stack.enter_context(mock.patch.object(module, name, _in_order(getattr(module, name))))
        lived = Simulation(db, World(clock, seed, accounts), clock, ids)
        lived.live(days)
        counted = _counted() | {"deaths of workers": lived.deaths, "accounts audited, clean": lived.audits}
        connections.close_all()
        return Told(seed, digests(db), counted, {what: round(spent, 1) for what, spent in lived.seconds.items()})


def _in_order(read: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
    """What is due at the same moment comes in any order, some of it at random; here by its ids."""
    return lambda: sorted(read(), key=str)


def _work() -> None:
    """What the worker does about money."""
    run.run_due()
    collect.run_due()
    refund.run_due()


def _open() -> int:
    [(count,)] = rows_of(OPEN)
    return count


def rows_of(statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds; `states` in it are those of what is open."""
    with connection.cursor() as cursor:
        cursor.execute(statement, {"states": list(OPEN_STATES)})
        return cursor.fetchall()


def _counted() -> dict[str, int]:
    tables = ("account", "usage_event", "transfer", "refill", "payment_intent", "payment", "invoice", "simulated_charge")
    found = {table: rows_of(f"SELECT count(*) FROM {table}")[0][0] for table in tables}
    states = rows_of("SELECT state, count(*) FROM refill GROUP BY 1 ORDER BY 1")
    return found | {f"refills {state}": count for state, count in states}
