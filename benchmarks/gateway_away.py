"""What a gateway that is away costs those who send usage: `python -m benchmarks.gateway_away`.

Single events are sent in an open loop while wallets are due for refills: once with a gateway that answers, once with one
that takes every connection and never says a word. REPETITIONS (5), SECONDS (4, of each measurement) and WALLETS (20, due in
each) may be given.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

from tests import conftest
from tests.cast import an_account, funded
from tests.gateway import Gateway, running
from tests.payments.at_stripe import at_stripe, save_card, secrets
from tests.refills.shop import OWNER

from benchmarks.harness import child, stage
from benchmarks.harness.results import figure, keep, percentile, ratios
from benchmarks.harness.traffic import ACCOUNTS, Clock, slug
from tollbook.accounts.tables import Account
from tollbook.refills.rule import Rule, change
from tollbook.refills.tables import Refill, RefillStop

REPETITIONS = int(os.environ.get("REPETITIONS", "5"))
SECONDS = float(os.environ.get("SECONDS", "4"))
WALLETS = int(os.environ.get("WALLETS", "20"))
MOST_PER_SECOND, FASTEST, CONNECTIONS, AIM = 500, 16_000, 32, 1.2
PATIENCE_SECONDS = 120
NOTHING_BUT_REFILLS = Rule(True, Decimal(100), Decimal(50), Decimal(10_000), 10)


def main() -> int:
    """Measure, print, keep; answers 1 when the aim was missed."""
    there: list[float] = []
    away: list[float] = []
    with stage.postgres() as server, running(conftest.HOME / "gateway") as gateway:
        more = secrets() | {"TOLLBOOK_GATEWAYS": "stripe", "TOLLBOOK_STRIPE_API_BASE": gateway.url}
        with stage.tollbook(server, more=more) as made:
            senders, waiting = Senders(made), Waiting(gateway)
            senders.p99()  # a warm-up at its pace
            for number in range(REPETITIONS):
                for is_away in (False, True) if number % 2 else (True, False):
                    (away if is_away else there).append(_measured(senders, waiting, gateway, is_away))
                print(f"  p99 {there[-1]:.1f} ms with a gateway, {away[-1]:.1f} ms without", flush=True)
            version = made.postgres_version()
    figures = [
        figure(f"single events at {senders.rate:,.0f}/s, {WALLETS} wallets refilled meanwhile: p99", "ms", there),
        figure(f"single events at {senders.rate:,.0f}/s, {WALLETS} wallets that wait for a gateway: p99", "ms", away),
        figure("a gateway that is away: p99, of that with one", "", ratios(away, there), AIM, at_most=True),
    ]
    return keep("gateway_away", figures, postgresql=version, seconds=SECONDS, repetitions=REPETITIONS)


def _measured(senders: "Senders", waiting: "Waiting", gateway: Gateway, is_away: bool) -> float:
    """The p99 while wallets are due; in the end all of them are refilled."""
    due = waiting.prepared()
    if not is_away:
        waiting.make_due(due)
        p99 = senders.p99()
        waiting.until_refilled(due)
        return p99
    with silent(gateway):
        waiting.make_due(due)
        waiting.until_it_is_noticed()
        p99 = senders.p99()
    waiting.until_refilled(due)
    return p99


@contextmanager
def silent(gateway: Gateway) -> Iterator[None]:
    """For the block the gateway's process stands still: connections are taken, by its kernel, and nothing answers."""
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(gateway.pid, signal.SIGCONT)


class Waiting:
    """Accounts beside those that send: their wallets are due for a refill by card."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway, self._count = gateway, ACCOUNTS

    def prepared(self) -> list[Account]:
        """New ones with a card each: how often a wallet is refilled in an hour is limited."""
        made = [an_account(slug(self._count + number)) for number in range(WALLETS)]
        self._count += WALLETS
        with at_stripe(self._gateway):
            for account in made:
                save_card(self._gateway, account.id)
                funded(account, amount="10")
        return made

    def make_due(self, accounts: list[Account]) -> None:
        """A rule set after the money came: each is below its minimum now."""
        for account in accounts:
            change(account, "outbound", NOTHING_BUT_REFILLS, OWNER)

    def until_it_is_noticed(self) -> None:
        """Wait until wallets say that they wait for the gateway, and so for as long as its calls take to fail."""
        self._wait(lambda: RefillStop.objects.filter(code="gateway_away").exists(), "nobody noticed that it is away")

    def until_refilled(self, accounts: list[Account]) -> None:
        """Wait until every one of them was refilled."""
        ids = [account.id for account in accounts]
        done = Refill.objects.filter(account_id__in=ids, state="succeeded")
        self._wait(lambda: done.count() == len(ids), "refills were not made")

    def _wait(self, is_so: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            if time.monotonic() > deadline:
                raise child.Failed(otherwise)
            time.sleep(0.2)


class Senders:
    """Those who send usage, one event at a time."""

    def __init__(self, there: stage.Stage) -> None:
        self.order = {"port": there.port, "key": there.key, "connections": CONNECTIONS, "kind": "event"}
        self.clock = Clock()
        closed = self._report({"seconds": 1}, FASTEST)
        self.rate = min(MOST_PER_SECOND, closed["answered"] / closed["seconds"] / 4)

    def p99(self) -> float:
        """How many milliseconds 99 of 100 events take at most, from when each was due."""
        report = self._report({"seconds": SECONDS, "per_second": self.rate}, int(self.rate * SECONDS))
        return percentile(report["waits"], 0.99) * 1000

    def _report(self, how: dict[str, float], count: int) -> child.Report:
        return child.run("requests", self.order | how | {"traffic": self.clock.next(count).fields()})


if __name__ == "__main__":
    sys.exit(main())
