"""Attributes of events: values that many events share are kept once, under a number; the rest stays with its event.

Which are shared: `SHARED`, the ones that roll-ups are made of. A value that is new is written before the events that
name it, in a transaction of its own if there is none; it means nothing by itself, so it may stay without them.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
SHARED = ("campaign", "agent")
LONGEST_SHARED = 100
LARGEST = 8_000
EMPTY = b"{}"
Part = tuple[int, int, bytes]
"""The numbers of an event's campaign and agent (0: none), and its own attributes as JSON."""

NOTHING: Part = (0, 0, EMPTY)
Value = tuple[int, str, str]
"""An account (by its place), the name of a shared attribute, a value."""

_MOST_KNOWN = 65_536


class BadAttributes(ValueError):
    """Attributes that can't be taken; the message is a sentence."""


@dataclass(slots=True)
class _Known:
    """What this process knows of one account: numbers of values, and what whole attributes were taken apart into."""

    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    parts: dict[bytes, Part] = field(default_factory=dict)


_known: dict[UUID, _Known] = {}


@dataclass(frozen=True, slots=True)
class Split:
    """For each event the numbers of its shared values (0: none) and its own attributes; what was wrong, by place."""

    campaigns: Sequence[int]
    agents: Sequence[int]
    own: Sequence[bytes]
    faults: dict[int, str]


def split(account_ids: Sequence[UUID], accounts: Sequence[int], told: Sequence[bytes]) -> Split:
    """Take attributes (JSON text; empty for none) apart. May write new values, so the caller's transaction, if there is
    one, must not hold locks yet. `accounts` says for each event which of `account_ids` it belongs to.
    """
    known = [_of(account_id) for account_id in account_ids]
    remembered = [one.parts for one in known]
    parts = [remembered[account].get(text) if text else NOTHING for account, text in zip(accounts, told, strict=True)]
    faults: dict[int, str] = {}
    if None in parts:
        _learn(account_ids, known, accounts, told, parts, faults)
    campaigns, agents, own = zip(*parts, strict=True) if parts else ((), (), ())
    return Split(campaigns, agents, own, faults)


def _of(account_id: UUID) -> _Known:
    found = _known.get(account_id)
    if found is None:
        if len(_known) > _MOST_KNOWN // 64:
            _known.clear()
        found = _known[account_id] = _Known()
    return found


def _learn(
    account_ids: Sequence[UUID],
    known: Sequence[_Known],
    accounts: Sequence[int],
    told: Sequence[bytes],
    parts: list[Part | None],
    faults: dict[int, str],
) -> None:
    """Fill the gaps in `parts`: take apart what was not seen before, and number the values that are new."""
    fresh: dict[int, tuple[dict[str, str], bytes]] = {}
    for place in [place for place, part in enumerate(parts) if part is None]:
        try:
            fresh[place] = _apart(told[place])
        except BadAttributes as error:
            faults[place], parts[place] = str(error), NOTHING
    wanted = {(accounts[place], *item) for place, (shared, _) in fresh.items() for item in shared.items()}
    numbers = _numbers_of(account_ids, known, wanted)
    learnt = []
    for place, (shared, own) in fresh.items():
        account = accounts[place]
        campaign, agent = (numbers[account, name, shared[name]] if name in shared else 0 for name in SHARED)
        parts[place] = (campaign, agent, own)
        if own == EMPTY:  # what has nothing of its own comes again
            learnt.append((account, told[place], (campaign, agent, own)))
    transaction.on_commit(partial(_remember, known, numbers, learnt))


def _remember(known: Sequence[_Known], numbers: dict[Value, int], learnt: Iterable[tuple[int, bytes, Part]]) -> None:
    """Keep what is sure to be in the database, within bounds."""
    if sum(len(one.numbers) + len(one.parts) for one in _known.values()) > _MOST_KNOWN:
        for one in _known.values():
            one.numbers.clear()
            one.parts.clear()
    for (account, name, value), number in numbers.items():
        known[account].numbers[name, value] = number
    for account, text, part in learnt:
        known[account].parts[text] = part


def _apart(told: bytes) -> tuple[dict[str, str], bytes]:
    """The shared values by name, and the rest as JSON, as PostgreSQL takes them."""
    try:
        attributes = json.loads(told)
        if attributes is None:
            return {}, EMPTY
        if not isinstance(attributes, dict):
            raise BadAttributes("The attributes must be a JSON object.")
        shared = {name: attributes.pop(name) for name in SHARED if _is_shared(attributes.get(name))}
        own = written(attributes).encode() if attributes else EMPTY
    except BadAttributes:
        raise
    except (ValueError, TypeError, RecursionError):
        raise BadAttributes("The attributes must be JSON: valid Unicode, no NUL characters, finite numbers.") from None
    if len(own) > LARGEST:
        raise BadAttributes(f"The attributes take more than {LARGEST} bytes of JSON.")
    return shared, own


def _is_shared(value: Any) -> bool:
    """Whether a value can be kept once: short text that reads the same everywhere."""
    return isinstance(value, str) and 0 < len(value) <= LONGEST_SHARED and value.isprintable()


def told(attributes: dict[str, Any]) -> bytes:
    """Attributes as a sender would write them; what is no JSON becomes text that is refused later."""
    if not attributes:
        return b""
    try:
        return json.dumps(attributes, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError):
        return b"?"


def written(attributes: dict[str, Any]) -> str:
    """Attributes as JSON text that PostgreSQL takes. Raises ValueError for what JSON or Unicode does not allow."""
    text = json.dumps(attributes, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if "\\u0000" in text:
        raise ValueError("a NUL character")
    text.encode()
    return text


def _numbers_of(account_ids: Sequence[UUID], known: Sequence[_Known], wanted: Iterable[Value]) -> dict[Value, int]:
    found = {key: known[key[0]].numbers.get(key[1:]) for key in sorted(wanted)}
    missing = [key for key, number in found.items() if number is None]
    if missing:
        parameters: dict[str, list[Any]] = {
            "account_ids": [account_ids[account] for account, _, _ in missing],
            "names": [name for _, name, _ in missing],
            "values": [value for _, _, value in missing],
        }
        work = partial(_numbered, parameters)
        found |= dict(zip(missing, work() if connection.in_atomic_block else in_transaction(work), strict=True))
    return found  # type: ignore[return-value]


def _numbered(parameters: dict[str, list[Any]]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["add_values"], parameters)
        cursor.execute(SQL["numbers"], parameters)
        return [number for (number,) in cursor.fetchall()]
