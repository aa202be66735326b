"""The oracle of longest-prefix look-up: a list of rates, read from one end to the other for every question."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """One rate: whose (None: everybody's), for what, from when until when (None: open), and a name to tell it by."""

    owner: int | None
    kind: str
    prefix: str
    begins: int
    ends: int | None
    name: int


def rate_of(rates: list[Rate], account: int, kind: str, destination: str, at: int) -> Rate | None:
    """The account's own rates first; within them the longest prefix that has a rate valid then; of several the newest."""
    number = destination
    while number.startswith("+"):
        number = number[1:]
    number = number[:15]
    if any(sign not in "0123456789" for sign in number):
        number = ""
    for owner in (account, None):
        fitting = [
            rate
            for rate in rates
            if rate.owner == owner
            and rate.kind == kind
            and number.startswith(rate.prefix)
            and rate.begins <= at
            and (rate.ends is None or at < rate.ends)
        ]
        if fitting:
            return max(fitting, key=lambda rate: (len(rate.prefix), rate.begins))
    return None
