"""Which credit type a call leg uses, inbound or outbound minutes, or that it is an internal half of a call.

A switch records legs, not directions, and only its operator knows for certain which of its contexts and peers face
the outside world. So the rule is data: `DirectionRule` has defaults that fit common set-ups, a TOML file changes them,
and a leg that no part of the rule decides is refused with a reason. It is never billed by a guess and never free.
"""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import Any

from tollbook.errors import Invalid


class Direction(StrEnum):
    """The values INBOUND and OUTBOUND are the credit types' codes."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


@dataclass(frozen=True)
class DirectionRule:
    """What the operator knows of the switch. `Leg.direction` says how it is used.

    Patterns are shell-style (`*`, `?`, `[0-9]`) and ignore case. In a rules file each field is a key of the same name.
    """

    internal_contexts: tuple[str, ...] = ("parkedcalls", "park-*", "intercom*", "paging*", "page")
    outbound_contexts: tuple[str, ...] = (
        "from-internal*",
        "outbound*",
        "*-outbound",
        "outgoing*",
        "*-outgoing",
        "to-pstn*",
        "to-trunk*",
        "outrt-*",
        "macro-dialout*",
        "trunkdial*",
        "longdistance",
        "international",
    )
    inbound_contexts: tuple[str, ...] = (
        "from-pstn*",
        "from-trunk*",
        "from-did*",
        "from-dahdi*",
        "from-zaptel*",
        "from-sip-external",
        "ext-did*",
        "*-pstn",
        "incoming*",
        "*-incoming",
        "inbound*",
        "*-inbound",
        "public",
    )
    trunks: tuple[str, ...] = ()  # channel names without their counter: "PJSIP/carrier-*", "sofia/external/*"
    internal_numbers: tuple[str, ...] = ("[*]*", "[#]*")  # feature codes
    extension_digits: int = 5  # a number of up to so many digits is an extension of the switch itself
    # What outbound numbers begin with as dialled and as rated: {"9011": "", "9": ""}. The longest match counts.
    dial_prefixes: dict[str, str] = field(default_factory=dict, hash=False)
    json_legs: str = "trunk"  # FreeSWITCH JSON: "trunk" bills each leg that faces a trunk, "a" only A legs, by context

    def rated_number(self, number: str) -> str:
        """The number with its longest matching dial prefix replaced, for prefix rating."""
        for prefix in sorted(self.dial_prefixes, key=len, reverse=True):
            if number.startswith(prefix):
                return self.dial_prefixes[prefix] + number.removeprefix(prefix)
        return number

    def is_extension(self, number: str) -> bool:
        """Whether the number belongs to the switch itself: an extension or a feature code."""
        if matches(self.internal_numbers, number):
            return True
        return number.isascii() and number.isdigit() and len(number) <= self.extension_digits


@dataclass(frozen=True, slots=True)
class Leg:
    """What a call record tells about the way a leg went. Channel names come with the switch's counter removed."""

    context: str
    caller: str
    called: str
    channel: str = ""
    far_channel: str = ""

    def direction(self, rule: DirectionRule) -> Direction | None:
        """The leg's direction, or None when nothing in the rule decides it. The first answer below counts:

        1. a Local/ or loopback/ channel is the inner half of a call whose outer half has its own record: internal,
           unless its far side is one of `trunks`, which makes it the only record of an outbound leg;
        2. the context, by `internal_contexts`, `outbound_contexts`, `inbound_contexts`;
        3. who has the trunk, by `trunks`: this channel → inbound, the far one → outbound;
        4. who has a phone: a channel or number that looks like an extension is a phone, the other side is outside.

        What comes out as outbound but was dialled to an extension is internal.
        """
        direction = self._by_half(rule) or self._by_context(rule) or self._by_trunk(rule) or self._by_phone(rule)
        if direction is Direction.OUTBOUND and rule.is_extension(self.called):
            return Direction.INTERNAL
        return direction

    @property
    def is_half(self) -> bool:
        """Whether the channel is one end of a pipe inside the switch."""
        return self.channel.lower().startswith(("local/", "loopback/"))

    def _by_half(self, rule: DirectionRule) -> Direction | None:
        if not self.is_half:
            return None
        return Direction.OUTBOUND if matches(rule.trunks, self.far_channel) else Direction.INTERNAL

    def _by_context(self, rule: DirectionRule) -> Direction | None:
        if matches(rule.internal_contexts, self.context):
            return Direction.INTERNAL
        if matches(rule.outbound_contexts, self.context):
            return Direction.OUTBOUND
        return Direction.INBOUND if matches(rule.inbound_contexts, self.context) else None

    def _by_trunk(self, rule: DirectionRule) -> Direction | None:
        if matches(rule.trunks, self.channel):
            return Direction.INBOUND
        return Direction.OUTBOUND if matches(rule.trunks, self.far_channel) else None

    def _by_phone(self, rule: DirectionRule) -> Direction | None:
        near = rule.is_extension(_peer(self.channel)) or rule.is_extension(self.caller)
        far = rule.is_extension(_peer(self.far_channel)) or rule.is_extension(self.called)
        if near and far:
            return Direction.INTERNAL
        if near:
            return Direction.OUTBOUND
        return Direction.INBOUND if far else None


def matches(patterns: tuple[str, ...], text: str) -> bool:
    """Whether any shell-style pattern matches the whole text, ignoring case."""
    return bool(patterns and text) and bool(_compiled(patterns).match(text.lower()))


@lru_cache(maxsize=256)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern.lower()) for pattern in patterns))


def _peer(channel: str) -> str:
    """`PJSIP/301` → `301`."""
    return channel.partition("/")[2]


def load(path: Path) -> DirectionRule:
    """The rule in a TOML file: what it names replaces the default, the rest stays. `Invalid` says what to mend."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except OSError as missing:
        raise Invalid(f"The rules file {path} can't be read: {missing.strerror}.") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise Invalid(f"The rules file {path} is not valid TOML: {broken}.") from broken
    return from_table(found, str(path))


def from_table(found: dict[str, Any], where: str) -> DirectionRule:
    """A rule from a parsed TOML table; `where` names it in messages."""
    known = {one.name: one for one in fields(DirectionRule)}
    if unknown := sorted(found.keys() - known.keys()):
        raise Invalid(f"{where}: unknown key {unknown[0]!r}. Known keys: {', '.join(known)}.")
    return DirectionRule(**{name: _value(name, value, where) for name, value in found.items()})


def _value(name: str, value: Any, where: str) -> Any:
    if name == "extension_digits":
        return _checked(value, type(value) is int and 0 <= value <= 15, name, "a whole number from 0 to 15", where)
    if name == "json_legs":
        return _checked(value, value in ("trunk", "a"), name, '"trunk" or "a"', where)
    if name == "dial_prefixes":
        right = isinstance(value, dict) and _all_text(value.values())
        return _checked(value, right, name, 'a table like {"9011" = ""}', where)
    right = isinstance(value, list) and _all_text(value)
    return tuple(_checked(value, right, name, 'a list of patterns like ["from-trunk*"]', where))


def _checked(value: Any, right: bool, name: str, wanted: str, where: str) -> Any:
    if not right:
        raise Invalid(f"{where}: {name} must be {wanted}.")
    return value


def _all_text(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
