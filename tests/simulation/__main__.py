"""`python -m tests.simulation [--years 2] [--accounts 200] [--seed N]`: live through it, and say what state it ends in."""

import argparse
import secrets
import time

from tests import conftest, databases
from tests.simulation.run import Told, simulate
from tollbook.postgres.embedded import Embedded


def main() -> None:
    """Exit 1, with the seed, where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--years", type=float, default=2)
    parser.add_argument("--days", type=int, help="instead of --years")
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9))
    given = parser.parse_args()
    days = given.days or round(given.years * 365)
    conftest.pytest_configure()
    began = time.monotonic()
    print(f"seed {given.seed}: {given.accounts} accounts, {days} days", flush=True)
    try:
        with Embedded(conftest.HOME / "server") as server, databases.created(server, "postgres") as db:
            tell(simulate(db, given.seed, given.accounts, days), time.monotonic() - began)
    finally:
        conftest.pytest_unconfigure()


def tell(told: Told, seconds: float) -> None:
    """One fact a line; digests by table, so that two runs can be compared."""
    for what, count in told.counted.items():
        print(f"{what:<24}{count:>10,}")
    for what, spent in told.seconds.items():
        print(f"seconds of {what:<13}{spent:>10}")
    for table, digest in told.digests.items():
        print(f"{table:<28}{digest[:32]}")
    print(f"{seconds:.0f} s; state {told.state}")


if __name__ == "__main__":
    main()
