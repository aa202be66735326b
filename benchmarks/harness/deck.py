"""200,000 prefixes as wholesale decks have them: North American exchanges, and breakouts of 60 other countries."""

import random
from functools import cache

PREFIXES = 200_000
NORTH_AMERICA = 130_000
COUNTRIES = tuple(str(code) for code in (*range(30, 68), *range(81, 87), *range(90, 96), 212, 234, 254, 351, 353, 358, 420))


@cache
def prefixes() -> tuple[str, ...]:
    """All of them, sorted, the same in every process; shorter ones that longer ones begin with are among them."""
    chance = random.Random(7)
    found = {"1", *COUNTRIES}
    while len(found) < NORTH_AMERICA:
        found.add(f"1{chance.randrange(200, 1000)}{chance.randrange(200, 1000)}")
    while len(found) < PREFIXES:
        found.add(f"{chance.choice(COUNTRIES)}{chance.randrange(10 ** chance.randrange(1, 6))}")
    return tuple(sorted(found))


def cents(prefix: str) -> str:
    """The price of a minute: cents, with the places a wholesale deck has."""
    return f"{random.Random(prefix).randrange(2_000, 450_000) / 10_000:.4f}"
