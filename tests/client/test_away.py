"""What the client does while the server is away, and what is left when the client is killed."""

import os
import random
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import Sum

from tests.client.calls import call
from tests.market import Web
from tollbook.client.client import Client
from tollbook.client.errors import Full, Unavailable, Undelivered
from tollbook.client.event import Result
from tollbook.usage.tables import UsageEvent

KILLS = int(os.environ.get("TOLLBOOK_CLIENT_KILLS", "4"))
COST = Decimal("0.012")  # of one call
CHILD = """
import sys
from tests.client.calls import call
from tollbook.client.client import Client

url, key, spool, first = sys.argv[1:]
client = Client(url, key, spool=spool, linger_seconds=0.01)
for number in range(int(first), int(first) + 100_000):
    client.send(call(number))
    print(number, flush=True)
"""


def everything_is_debited_once(count: int) -> None:
    assert UsageEvent.objects.count() == count
    assert UsageEvent.objects.aggregate(Sum("cost"))["cost__sum"] == count * COST


def test_events_wait_on_disk_while_the_server_is_away_and_arrive_in_order(web: Web, secret: str, tmp_path: Path) -> None:
    told: list[bool] = []
    with Client(
        web.address, secret, spool=tmp_path / "spool", batch_events=7, on_problem=lambda one: told.append(one is not None)
    ) as client:
        client.send(call(0))
        client.flush()
        web.kill()
        for number in range(1, 50):
            client.send(call(number))
        with pytest.raises(Undelivered, match="does not answer"):
            client.flush(0.5)
        assert client.waiting == 49
        web.start()
        client.flush()
    assert told == [True, False]
    everything_is_debited_once(50)
    arrived = UsageEvent.objects.order_by("transfer_id").values_list("event_id", "transfer_id")
    batches = [[id for id, batch in arrived if batch == one] for one in dict.fromkeys(batch for _, batch in arrived)]
    order = [int(id.removeprefix("call-")) for batch in batches for id in sorted(batch, key=lambda id: int(id[5:]))]
    assert order == list(range(50))


def test_a_full_spool_refuses_clearly_and_what_it_took_arrives(web: Web, secret: str, tmp_path: Path) -> None:
    web.kill()
    with Client(
        web.address, secret, spool=tmp_path / "spool", spool_bytes=2_000, patience_seconds=0.2
    ) as client:
        taken = 0
        with pytest.raises(Full, match="2,000 bytes are allowed"):
            while True:
                client.send(call(taken))
                taken += 1
        assert client.waiting == taken > 5
        web.start()
        client.flush()
        client.send(call(taken))
    everything_is_debited_once(taken + 1)


def test_what_a_closed_client_could_not_deliver_the_next_one_does(web: Web, secret: str, tmp_path: Path) -> None:
    web.kill()
    with Client(web.address, secret, spool=tmp_path / "spool") as client:
        client.send_many(call(number) for number in range(10))
        client.close(timeout_seconds=0.1)
    web.start()
    with Client(web.address, secret, spool=tmp_path / "spool") as client:
        client.flush()
    everything_is_debited_once(10)
    assert sorted(path.name for path in (tmp_path / "spool").iterdir()) == ["lock", "position"]


def test_without_a_spool_undelivered_events_are_handed_back(web: Web, secret: str) -> None:
    web.kill()
    client = Client(web.address, secret)
    client.send(call(1))
    with pytest.raises(Undelivered) as left:
        client.close(timeout_seconds=0.1)
    assert [b'"id":"call-1"' in line for line in left.value.lines] == [True]


def test_record_gives_up_after_its_patience_and_a_repeat_debits_once(web: Web, secret: str) -> None:
    with Client(web.address, secret, patience_seconds=0.3) as client:
        web.kill()
        with pytest.raises(Unavailable):
            client.record([call(1)])
        web.start()
        assert client.record([call(1)]) == Result(1, 0, ())
        assert client.record([call(1)]) == Result(0, 1, ())
    everything_is_debited_once(1)


@pytest.mark.faults
def test_what_a_killed_client_had_taken_is_debited_once(web: Web, secret: str, tmp_path: Path) -> None:
    """SIGKILL while it sends: whatever `send` returned for arrives; the one that was interrupted may or may not."""
    chance = random.Random(4711)
    taken: set[int] = set()
    for run in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, web.address, secret, str(tmp_path / "spool"), str(run * 100_000)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        taken.add(int(child.stdout.readline()))
        time.sleep(chance.uniform(0, 0.6))
        if run % 2:
            web.kill()
            time.sleep(chance.uniform(0, 0.2))
        child.send_signal(signal.SIGKILL)
        out, _ = child.communicate()
        taken |= {int(line) for line in out.splitlines(keepends=True) if line.endswith("\n")}
        if run % 2:
            web.start()
    with Client(web.address, secret, spool=tmp_path / "spool") as client:
        client.flush(120)
    arrived = {int(id.removeprefix("call-")) for id in UsageEvent.objects.values_list("event_id", flat=True)}
    assert taken <= arrived and len(arrived) - len(taken) <= KILLS
    everything_is_debited_once(len(arrived))
