"""Requests that wait: too long, or too many of them. Whoever is put off is told so, and what was done is done once."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tests.databases import Database
from tests.web.api.conftest import Machine, balance, event
from tests.web.api.test_door import is_problem
from tollbook.accounts.tables import Account
from tollbook.audit.books import audit
from tollbook.usage.tables import UsageEvent
from tollbook.web.api import gathered, usage

SMS = Decimal("0.0075")


@contextlib.contextmanager
def wallets_locked(db: Database) -> Iterator[None]:
    """Somebody else holds every wallet for the length of the block."""
    with db.connect("owner") as connection, connection.transaction():
        connection.execute("SELECT FROM wallet FOR UPDATE")
        yield


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_request_that_outlives_its_deadline_is_done_once(
    machine: Machine, northwind: Account, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer says that nobody knows; the repeated request finds out."""
    monkeypatch.setattr(gathered, "DEADLINE_SECONDS", 0.3)
    late = [event("late", type="sms", quantity=1)]
    with wallets_locked(db):
        response = machine.post("/usage", late)
        assert is_problem(response, 503, "try_later") and int(response.headers["retry-after"]) > 1
    until(lambda: UsageEvent.objects.filter(event_id="late").exists())
    assert machine.post("/usage", late).json() == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert balance(northwind, "sms") == 100 - SMS
    assert audit() == []


def test_more_than_there_is_room_for_is_put_off_and_nothing_of_it_done(
    machine: Machine, northwind: Account, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue without an end would answer everybody too late (and take all memory): whoever comes last is told at once."""
    monkeypatch.setattr(usage._few, "_room", 6)
    ids = [f"e-{number}" for number in range(40)]

    def send(id: str) -> int:
        response = machine.post("/usage", [event(id, type="sms", quantity=1)])
        assert response.status_code == 200 or (is_problem(response, 503, "try_later") and response.headers["retry-after"])
        return response.status_code

    with ThreadPoolExecutor(40) as senders:
        with wallets_locked(db):
            first = [senders.submit(send, id) for id in ids]
            until(lambda: sum(one.done() for one in first) >= 20)
            put_off = [id for id, one in zip(ids, first, strict=True) if one.done()]
            assert all(one.result() == 503 for one in first if one.done())
        taken = [id for id, one in zip(ids, first, strict=True) if one.result() == 200]
    assert taken and not set(taken) & set(put_off)
    assert set(UsageEvent.objects.values_list("event_id", flat=True)) == set(taken)
    assert balance(northwind, "sms") == 100 - len(taken) * SMS
    assert {send(id) for id in ids} == {200}
    assert balance(northwind, "sms") == 100 - len(ids) * SMS
    assert audit() == []
