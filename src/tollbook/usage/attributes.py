"""Attributes of events: values that many events share are kept once, under a number; the rest stays with its event.

Which are shared: `SHARED`, the ones that roll-ups are made of. A value that is new is written before the events that
name it, in a transaction of its own if there is none; it means nothing by itself, so it may stay without them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection, transaction

from tollbook.postgres.named import load
from tollbook.postgres.retry import in_transaction

SQL = load(__file__)
SHARED = ("campaign", "agent")
LONGEST_SHARED = 100
LARGEST = 8_000
EMPTY = b"{}"
Value = tuple[int, str, str]
"""An account (by its place), the name of a shared attribute, a value."""

_MOST_KNOWN = 100_000


class _Shared(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Attributes that consist of shared values alone, as most do."""

    campaign: str = ""
    agent: str = ""


_ALL = msgspec.json.Decoder(list[_Shared])
_NONE = _Shared()


class BadAttributes(ValueError):
    """Attributes that can't be taken; the message is a sentence."""


@dataclass(slots=True)
class _Known:
    """The numbers of values that this process knows, of one account, by name and value."""

    campaign: dict[str, int] = field(default_factory=lambda: {"": 0})
    agent: dict[str, int] = field(default_factory=lambda: {"": 0})


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
    shared, own, faults = _read(told)
    known = [_of(account_id) for account_id in account_ids]
    campaigns = _numbers([one.campaign for one in known], accounts, [one.campaign for one in shared])
    agents = _numbers([one.agent for one in known], accounts, [one.agent for one in shared])
    if None in campaigns or None in agents:
        _learn(account_ids, known, accounts, shared, [campaigns, agents])
    return Split(campaigns, agents, own, faults)  # type: ignore[arg-type]


def _read(told: Sequence[bytes]) -> tuple[list[_Shared], Sequence[bytes], dict[int, str]]:
    """Shared values, own attributes and faults. At once, or one by one when some have more than shared values."""
    own: list[bytes] = [EMPTY] * len(told)
    try:
        shared = _ALL.decode(b"[%b]" % b",".join([text or EMPTY for text in told]))
        if len(shared) == len(told) and _are_shared([one.campaign for one in shared] + [one.agent for one in shared]):
            return shared, own, {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    faults: dict[int, str] = {}
    shared = []
    for place, text in enumerate(told):
        try:
            one, own[place] = _apart(text)
        except BadAttributes as error:
            one, faults[place] = _NONE, str(error)
        shared.append(one)
    return shared, own, faults


def _of(account_id: UUID) -> _Known:
    found = _known.get(account_id)
    if found is None:
        found = _known[account_id] = _Known()
    return found


def _numbers(known: Sequence[dict[str, int]], accounts: Sequence[int], values: Sequence[str]) -> list[int | None]:
    return [known[account].get(value) for account, value in zip(accounts, values, strict=True)]


def _learn(
    account_ids: Sequence[UUID],
    known: Sequence[_Known],
    accounts: Sequence[int],
    shared: Sequence[_Shared],
    numbers: Sequence[list[int | None]],
) -> None:
    """Fill the gaps in `numbers`: number the values that are new."""
    gaps = [
        (name, place, (accounts[place], name, getattr(shared[place], name)))
        for name, found in zip(SHARED, numbers, strict=True)
        for place, number in enumerate(found)
        if number is None
    ]
    found = _numbered({value for _, _, value in gaps}, account_ids)
    for name, place, value in gaps:
        numbers[SHARED.index(name)][place] = found[value]
    transaction.on_commit(partial(_remember, known, found))


def _remember(known: Sequence[_Known], found: dict[Value, int]) -> None:
    """Keep what is sure to be in the database, within bounds."""
    if sum(len(one.campaign) + len(one.agent) for one in list(_known.values())) > _MOST_KNOWN:
        _known.clear()
    for (account, name, value), number in found.items():
        getattr(known[account], name)[value] = number


def _apart(told: bytes) -> tuple[_Shared, bytes]:
    """The shared values, and the rest as JSON, as PostgreSQL takes them."""
    if not told:
        return _NONE, EMPTY
    try:
        attributes = json.loads(told)
        if attributes is None:
            return _NONE, EMPTY
        if not isinstance(attributes, dict):
            raise BadAttributes("The attributes must be a JSON object.")
        shared = {name: attributes.pop(name) for name in SHARED if attributes.get(name) and _is_shared(attributes[name])}
        own = written(attributes).encode() if attributes else EMPTY
    except BadAttributes:
        raise
    except (ValueError, TypeError, RecursionError):
        raise BadAttributes(
            "The attributes must be JSON: valid Unicode, no NUL characters, finite numbers."
        ) from None
    if len(own) > LARGEST:
        raise BadAttributes(f"The attributes take more than {LARGEST} bytes of JSON.")
    return _Shared(**shared), own


def _are_shared(values: Sequence[str]) -> bool:
    return "".join(values).isprintable() and max(map(len, values), default=0) <= LONGEST_SHARED


def _is_shared(value: Any) -> bool:
    """Whether a value can be kept once: short text that reads the same everywhere."""
    return isinstance(value, str) and len(value) <= LONGEST_SHARED and value.isprintable()


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


def _numbered(missing: set[Value], account_ids: Sequence[UUID]) -> dict[Value, int]:
    ordered = sorted(missing)
    parameters: dict[str, list[Any]] = {
        "account_ids": [account_ids[account] for account, _, _ in ordered],
        "names": [name for _, name, _ in ordered],
        "values": [value for _, _, value in ordered],
    }
    work = partial(_written, parameters)
    return dict(zip(ordered, work() if connection.in_atomic_block else in_transaction(work), strict=True))


def _written(parameters: dict[str, list[Any]]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(SQL["add_values"], parameters)
        cursor.execute(SQL["numbers"], parameters)
        return [number for (number,) in cursor.fetchall()]
