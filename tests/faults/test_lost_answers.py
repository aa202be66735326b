"""The database commits, and the line is cut before it can say so: nobody knows, and still nothing is debited twice."""

import os
from pathlib import Path

import pytest

from tests import conftest
from tests.databases import Database
from tests.faults import world
from tests.faults.lossy import lossy
from tests.faults.senders import Senders
from tests.faults.serving import running_web

CUTS = int(os.environ.get("TOLLBOOK_FAULT_KILLS", "3")) * 10
ONE_IN = 5


@pytest.mark.faults
@pytest.mark.skipif(bool(conftest.EXTERNAL), reason="the line is laid over the embedded server's socket")
def test_a_commit_whose_answer_is_lost_is_repeated_without_a_second_debit(db: Database, tmp_path: Path) -> None:
    """Stripe's advice on idempotency, in our own house: what is repeated after a lost answer must know that it happened."""
    made, telling = world.made(), world.Telling(8006)
    with lossy(db, ONE_IN, seed=8006) as (line, environment), running_web(environment, tmp_path / "web.log") as web:
        single = Senders(web.address, made.secret, 4, telling.one)
        batches = Senders(web.address, made.secret, 4, lambda: telling.upto(200))
        both = (single, batches)
        while line.lost_answers < CUTS:
            single.go_on(10)
            batches.go_on(5)
        for senders in both:
            senders.stop()
        for senders in both:
            senders.join()
    for senders in both:
        assert senders.surprises == [] and senders.rejected == []
        assert senders.broken == 0
    assert single.accepted + batches.accepted <= len(telling.told)
    world.prove(made, telling.told)
    print(f"{line.lost_commits} commits and {line.lost_answers} answers lost, {len(telling.told)} events")
