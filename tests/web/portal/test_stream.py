"""The live rows: what is acknowledged is told at once, to those who may see it, without a queue and without a doubt."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests.cast import a_rate, funded
from tests.people import People, grant, people
from tollbook.accounts.tables import AccessGrant, User
from tollbook.usage.event import Event
from tollbook.usage.record import record
from tollbook.wallets.wallet import open_wallets
from tollbook.web.portal import hub as hubs
from tollbook.web.portal import stream
from tollbook.web.portal.hub import Hub, Reading, Source, Stream

URL = "/billing/credits/stream"
PATIENCE_SECONDS = 20
Told = tuple[str, dict[str, Any]]


@pytest.fixture
def them(db, static_files) -> People:
    """Two accounts with money in outbound minutes."""
    them = people()
    a_rate(cents="1.20", initial=6, step=6)
    for account in (them.northwind, them.contoso):
        open_wallets(account)
        funded(account, amount="100")
    return them


def call(id: str) -> Event:
    return Event(id, "outbound", Decimal(61), datetime.now(UTC) - timedelta(minutes=1))


def cookies_of(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


class Reader:
    """An open stream, read in a thread as a page reads it."""

    def __init__(self, live: str, user: User) -> None:
        self.told: list[Told] = []
        self.status = 0
        self.is_over = threading.Event()
        self._client = httpx.Client(base_url=live, cookies=cookies_of(user), timeout=None, trust_env=False)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            with self._client.stream("GET", URL) as response:
                self.status = response.status_code
                name = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        name = line.removeprefix("event: ")
                    elif line.startswith("data: "):
                        self.told.append((name, json.loads(line.removeprefix("data: "))))
        except (httpx.TransportError, httpx.StreamError):
            pass
        finally:
            self.is_over.set()

    def wait(self, until: Callable[[list[Told]], object]) -> list[Told]:
        """What was told, once `until` holds of it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not until(self.told):
            assert time.monotonic() < deadline, self.told[-2:]
            assert not self.is_over.is_set(), (self.status, self.told[-2:])
            time.sleep(0.005)
        return self.told

    def balance(self, type_code: str = "outbound") -> str:
        """The last balance told of."""
        rows = [row for _, data in self.told for row in data.get("wallets", []) if row["type"] == type_code]
        return rows[-1]["balance"] if rows else ""

    def close(self) -> None:
        self._client.close()


@contextmanager
def reading(live: str, user: User) -> Iterator[Reader]:
    reader = Reader(live, user)
    try:
        yield reader
    finally:
        reader.close()


def test_all_rows_come_first_and_then_those_that_changed(them, live) -> None:
    with reading(live, them.owner) as reader:
        first = reader.wait(lambda told: told)[0]
        assert first[0] == "gauges" and len(first[1]["wallets"]) == 7
        settle(reader)
        record(them.northwind.id, [call("call-1")])
        name, data = reader.wait(lambda told: reader.balance() == "99.986800")[-1]
        assert name == "gauges" and [row["type"] for row in data["wallets"]] == ["outbound"]
        assert data["wallets"][0]["text"]["balance"] == "$99.99"


def settle(reader: Reader) -> None:
    """Wait until the LISTEN connection is up, which is told by all rows once more."""
    time.sleep(1)


def test_streams_of_one_account_are_told_the_same_and_others_nothing(them, live) -> None:
    with (
        reading(live, them.owner) as one,
        reading(live, them.owner) as two,
        reading(live, them.stranger) as stranger,
    ):
        for reader in (one, two, stranger):
            reader.wait(lambda told: told)
        settle(one)
        before = len(stranger.told)
        record(them.northwind.id, [call("call-1")])
        for reader in (one, two):
            reader.wait(lambda told, reader=reader: reader.balance() == "99.986800")
        assert one.told[-1] == two.told[-1]
        assert stranger.balance() == "100.000000" and len(stranger.told) == before


def test_a_burst_is_gathered_and_its_end_is_told(them, live) -> None:
    with reading(live, them.owner) as reader:
        reader.wait(lambda told: told)
        settle(reader)
        before, started = len(reader.told), time.monotonic()
        for index in range(100):
            record(them.northwind.id, [call(f"call-{index}")])
        took = time.monotonic() - started
        reader.wait(lambda told: reader.balance() == "98.680000")
        assert len(reader.told) - before <= took / hubs.GAP_SECONDS + 3


@pytest.mark.parametrize("who", ["admin", "agent", "staff"])
def test_whoever_may_not_look_gets_no_stream(them, live, who: str) -> None:
    answer = httpx.get(live + URL, cookies=cookies_of(getattr(them, who)), trust_env=False)
    assert answer.status_code == (302 if who == "staff" else 403)
    assert "event:" not in answer.text


def test_without_a_session_the_way_leads_to_sign_in(them, live) -> None:
    answer = httpx.get(live + URL, trust_env=False)
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/sign-in/")


def test_the_stream_is_neither_compressed_nor_cached_nor_open_to_other_sites(them, live) -> None:
    with (
        httpx.Client(base_url=live, cookies=cookies_of(them.owner), trust_env=False) as client,
        client.stream("GET", URL, headers={"Accept-Encoding": "gzip, br"}) as response,
    ):
        assert "Content-Encoding" not in response.headers and "Content-Length" not in response.headers
        assert response.headers["Content-Type"].startswith("text/event-stream")
        assert "no-store" in response.headers["Cache-Control"]
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


def viewer(user: User) -> stream.Viewer:
    """The user, signed in."""
    key = cookies_of(user)["sessionid"]
    return stream.Viewer(user.account_id, user.id, key, user.get_session_auth_hash())


def test_access_is_checked_again_for_everybody_at_once(them) -> None:
    grant(them.owner, them.admin, credits="r")
    owner, admin, stranger = map(viewer, (them.owner, them.admin, them.stranger))
    assert stream.allowed({owner, admin, stranger}) == {owner, admin, stranger}


def test_whoever_lost_the_right_is_no_longer_allowed(them) -> None:
    grant(them.owner, them.admin, credits="r")
    admin, owner = viewer(them.admin), viewer(them.owner)
    AccessGrant.objects.filter(user_id=them.admin.id).delete()
    assert stream.allowed({admin, owner}) == {owner}


@pytest.mark.parametrize(
    "ended_by", ["signing out", "expiry", "deactivation", "a new password", "deletion of the user"]
)
def test_a_session_that_ended_is_no_longer_allowed(them, ended_by: str) -> None:
    owner = viewer(them.owner)
    if ended_by == "signing out":
        Session.objects.filter(session_key=owner.session_key).delete()
    elif ended_by == "expiry":
        Session.objects.update(expire_date=datetime.now(UTC) - timedelta(seconds=1))
    elif ended_by == "deactivation":
        User.objects.filter(id=them.owner.id).update(is_active=False)
    elif ended_by == "a new password":
        them.owner.set_password("another long password")
        them.owner.save(update_fields=["password"])
    else:
        owner = stream.Viewer(owner.account_id, uuid4(), owner.session_key, owner.session_hash)
    assert stream.allowed({owner}) == set()


class World:
    """A source whose rows, viewers and line the test moves by hand."""

    def __init__(self) -> None:
        self.balance = 0
        self.reads = 0
        self.allowed = True
        self.fails = False
        self.woken: asyncio.Queue[UUID] = asyncio.Queue()

    def read(self, account_id: UUID) -> Reading:
        self.reads += 1
        if self.fails:
            raise OSError("the database is away")
        rows = {"sms": {"type": "sms", "balance": self.balance}, "email": {"type": "email", "balance": 0}}
        return Reading(rows, datetime.now(UTC), "UTC")

    def check(self, viewers: Collection[str]) -> set[str]:
        if self.fails:
            raise OSError("the database is away")
        return set(viewers) if self.allowed else set()

    async def connect(self) -> Any:
        if self.fails:
            raise OSError("the database is away")
        return Line(self)

    def hub(self) -> Hub[str]:
        return Hub(Source(self.read, self.check, lambda rows, as_of, zone: {"wallets": rows}, self.connect))


class Line:
    """A LISTEN connection."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def __aenter__(self) -> "Line":
        return self

    async def __aexit__(self, *error: object) -> None:
        pass

    async def execute(self, statement: str) -> None:
        assert statement == "LISTEN tollbook_account"

    async def notifies(self) -> Any:
        while True:
            account_id = await self.world.woken.get()
            if account_id is None:
                raise OSError("the line is cut")
            yield type("Notice", (), {"payload": str(account_id)})


ACCOUNT = UUID(int=1)


async def taken(opened: Stream[str], count: int = 1) -> list[dict[str, Any]]:
    """The next messages of a stream, decoded; `tick` for those without rows."""
    found = []
    async for data in opened:
        found.append(json.loads(data.decode().split("data: ")[1]))
        if len(found) == count:
            break
    return found


def in_a_loop(test: Callable[[], Any]) -> Callable[[], None]:
    """An event loop of its own, in a thread of its own: the browser's tests leave one running in this."""

    def run() -> None:
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, asyncio.wait_for(test(), PATIENCE_SECONDS)).result()

    run.__name__ = test.__name__
    return run


@in_a_loop
async def test_a_reader_that_takes_nothing_holds_the_latest_rows_and_no_queue() -> None:
    world = World()
    hub = world.hub()
    slow, quick = hub.open(ACCOUNT, "slow"), hub.open(ACCOUNT, "quick")
    await taken(quick)
    for balance in range(1, 20):
        world.balance = balance
        await world.woken.put(ACCOUNT)
        rows = (await taken(quick))[0]["wallets"]
        while not any(row["balance"] == balance for row in rows):
            rows = (await taken(quick))[0]["wallets"]
    (waiting,) = await taken(slow)
    assert sorted((row["type"], row["balance"]) for row in waiting["wallets"]) == [("email", 0), ("sms", 19)]
    hub.end()


@in_a_loop
async def test_a_line_that_was_cut_comes_back_and_tells_everything() -> None:
    world = World()
    hub = world.hub()
    opened = hub.open(ACCOUNT, "someone")
    await asyncio.sleep(0.3)
    await taken(opened)
    world.balance = 5  # and nobody is told, because the line is cut at that moment
    await world.woken.put(None)
    await asyncio.sleep(0.1)
    assert not hub.is_listening
    (told,) = await taken(opened)
    assert hub.is_listening and {row["type"]: row["balance"] for row in told["wallets"]} == {"sms": 5, "email": 0}
    hub.end()


@in_a_loop
async def test_a_second_stream_of_an_account_costs_no_second_reading() -> None:
    world = World()
    hub = world.hub()
    first = hub.open(ACCOUNT, "first")
    await asyncio.sleep(0.3)
    await taken(first)
    reads = world.reads
    (told,) = await taken(hub.open(ACCOUNT, "second"))
    assert len(told["wallets"]) == 2 and world.reads == reads
    hub.end()


@in_a_loop
async def test_nobody_is_read_for_when_nobody_looks() -> None:
    world = World()
    hub = world.hub()
    opened = hub.open(ACCOUNT, "someone")
    await taken(opened)
    hub.close(ACCOUNT, opened)
    reads = world.reads
    await world.woken.put(ACCOUNT)
    await world.woken.put(UUID(int=2))
    await asyncio.sleep(0.2)
    assert world.reads == reads
    hub.end()


@in_a_loop
async def test_a_quiet_stream_hears_a_tick_and_one_without_access_ends() -> None:
    world = World()
    hub = world.hub()
    opened = hub.open(ACCOUNT, "someone")
    await asyncio.sleep(0.3)
    await taken(opened)
    assert await taken(opened) == [{"wallets": []}]
    world.allowed = False
    assert await taken(opened) == []
    hub.end()


@in_a_loop
async def test_when_access_can_not_be_checked_twice_nobody_looks_on() -> None:
    world = World()
    hub = world.hub()
    opened = hub.open(ACCOUNT, "someone")
    await asyncio.sleep(0.3)
    await taken(opened)
    world.fails = True
    started = asyncio.get_running_loop().time()
    assert await taken(opened) == []
    assert asyncio.get_running_loop().time() - started < 2 * hubs.TICK_SECONDS + 1
    hub.end()


@in_a_loop
async def test_rows_that_can_not_be_read_are_read_again() -> None:
    world = World()
    hub = world.hub()
    world.fails = True
    opened = hub.open(ACCOUNT, "someone")
    await asyncio.sleep(0.1)
    world.fails = False
    (told,) = await taken(opened)
    assert len(told["wallets"]) == 2
    hub.end()


@in_a_loop
async def test_an_ended_hub_opens_nothing() -> None:
    hub = World().hub()
    opened = hub.open(ACCOUNT, "before")
    hub.end()
    assert await taken(hub.open(ACCOUNT, "after")) == []
    assert opened.is_over


@pytest.fixture(autouse=True)
def short_ticks(monkeypatch) -> None:
    """The real 15 seconds would make these tests wait."""
    monkeypatch.setattr(hubs, "TICK_SECONDS", 0.5)
