"""Whether a gateway answers, as far as this process has seen: while it does not, refills wait instead of queueing up for it.

Kept in memory on purpose. It decides only when somebody is asked, never what is true, and a process that has just begun
finds out with its first call.
"""

import time
from threading import Lock

SILENT_AFTER = 3
"""Calls in a row without an answer; then the gateway counts as away."""

REST_SECONDS = 10.0
"""How long it is left alone; then one call finds out, and the others wait for what becomes of it."""

_lock = Lock()
_silences: dict[str, int] = {}
_asked_at: dict[str, float] = {}


def heard(gateway: str, answered: bool) -> None:
    """Note whether a call got an answer, of whatever kind."""
    with _lock:
        _silences[gateway] = 0 if answered else _silences.get(gateway, 0) + 1
        _asked_at[gateway] = time.monotonic()


def is_away(gateway: str) -> bool:
    """Whether the gateway has been silent of late, and is being left alone. Changes nothing; see `may_call`."""
    with _lock:
        return _rests(gateway)


def may_call(gateway: str) -> bool:
    """Whether it may be called now: always while it answers, and by one caller after each rest when it does not."""
    with _lock:
        if _rests(gateway):
            return False
        _asked_at[gateway] = time.monotonic()
        return True


def _rests(gateway: str) -> bool:
    silent = _silences.get(gateway, 0) >= SILENT_AFTER
    return silent and time.monotonic() - _asked_at[gateway] < REST_SECONDS


def forget() -> None:
    """Know nothing of any gateway, as a process that has just begun."""
    with _lock:
        _silences.clear()
        _asked_at.clear()
