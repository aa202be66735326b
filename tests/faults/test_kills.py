"""Kill -9 of the database and of the web process under load: nothing acknowledged is lost, nothing is debited twice."""

import os
import random
import time
from pathlib import Path

import pytest
from django.db import connections

from tests.faults import world
from tests.faults.senders import Senders
from tests.faults.serving import own_server, running_web

pytestmark = [pytest.mark.faults, own_server]

KILLS = int(os.environ.get("TOLLBOOK_FAULT_KILLS", "3"))
"""Of the database, and as many of the web process. 200 when it is to be shown."""

SINGLES, BATCHES = 16, 4
LARGEST_BATCH = 120
REQUESTS_BETWEEN = 150


def test_nothing_acknowledged_is_lost_and_nothing_debited_twice_under_kills(fresh_server, tmp_path: Path) -> None:
    """Flexprice's docs, OpenMeter's code: duplicates removed only later, or remembered for a limited time. Not here.

    Sixteen connections send single events (which the server gathers into one commit), four send batches, and all of them
    tell some events again.
    """
    dice, telling, made = random.Random(815), world.Telling(815), world.made()
    with running_web(fresh_server.database.environment(), tmp_path / "web.log") as web:
        single = Senders(web.address, made.secret, SINGLES, telling.one)
        batches = Senders(web.address, made.secret, BATCHES, lambda: telling.upto(LARGEST_BATCH))
        for turn in range(2 * KILLS):
            single.go_on(REQUESTS_BETWEEN)
            batches.go_on(3)
            time.sleep(dice.random() / 20)
            if turn % 2:
                fresh_server.kill()
                fresh_server.server.start()
            else:
                web.kill()
                web.start()
            sure = single.sure() | batches.sure()
            assert sure <= world.stored_ids(), f"kill {turn}: an acknowledged event is not in the books"
            connections.close_all()  # or ours would be among those that the next kill breaks
        for senders in (single, batches):
            senders.stop()
        for senders in (single, batches):
            senders.join()

    assert single.surprises + batches.surprises == []
    assert single.rejected + batches.rejected == []
    assert single.without_retry_after + batches.without_retry_after == 0
    assert single.accepted + batches.accepted <= len(telling.told), "an event was accepted twice"
    for senders in (single, batches):
        assert senders.broken + senders.put_off > 0, "no kill was noticed by a sender: this test has shown nothing"
    world.prove(made, telling.told)
    print(f"{2 * KILLS} kills, {len(telling.told)} events, {single.broken + batches.broken} lost answers")
