"""One bad event of a thousand: the others are taken, the bad one is named. Poison of every kind we could think of."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest

from tests.faults import world
from tollbook.audit.books import audit
from tollbook.usage.tables import UsageEvent

THOUSAND = 1_000
PLACE = 617
DEEP = 100_000
NOW = datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Poison:
    """An event's JSON text that can't be taken. `broken`: it is not even JSON, and so may spoil an array, never lines."""

    name: str
    text: str | bytes
    broken: bool = False

    @property
    def bytes(self) -> bytes:
        """As it goes over the wire."""
        return self.text if isinstance(self.text, bytes) else self.text.encode()


def good(number: int) -> dict[str, object]:
    """One segment of a message, 0.75 cents."""
    return {"id": f"good-{number}", "account": "northwind", "type": "sms", "quantity": 1, "occurred_at": NOW}


def spoilt(member: str, text: str) -> str:
    """A good event with this JSON text as one of its members."""
    whole = good(0) | {"id": "bad"}
    members = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.items() if name != member]
    return "{" + ", ".join([*members, f"{json.dumps(member)}: {text}"]) + "}"


MEMBERS = {
    "id": [r'"a\u0000b"', r'"\ud800"', r'"\udc00x"', r'"\u001b[2J"', r'"\u2028"', '""', f'"{"x" * 201}"', "17", "null",
           "true", "[]", "{}", f'"{"x" * 100_000}"'],
    "account": [r'"\u0000"', r'"\ud800"', '"nobody"', '""', "null", "17", f'"{"x" * 100_000}"', '"NORTHWIND"', '"%"'],
    "type": [r'"\u0000"', r'"\ud800"', '"fax"', '""', "null", "17", f'"{"x" * 100_000}"', '"SMS"'],
    "quantity": ["1e400", "-1e400", "1e-400", "1E+999999999", '"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '"1e999999"',
                 '"1e-999999"', '"1e99999999999999999999"', "-1", '"-0.000001"', "0.0000001", "9" * 400, "9" * 5_000,
                 f'"{"9" * 5_000}"', "100000000.000001", '""', '" "', '"1,5"', '"0x10"', "true", "null", "[1]", "{}",
                 r'"\u0000"', r'"\ud800"'],
    "occurred_at": ['"yesterday"', '""', "null", "1700000000", '"2026-13-01T00:00:00Z"', '"2026-02-30T00:00:00Z"',
                    '"2026-03-01T12:00:00"', '"2026-03-01"', '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00+14:00"',
                    '"9999-12-31T23:59:59.999999-14:00"', '"2999-01-01T00:00:00Z"', '"10000-01-01T00:00:00Z"',
                    '"2026-03-01T12:00:00+99:00"', r'"\u0000"', r'"\ud800"', "true", "[]"],
    "to": [r'"\u0000"', r'"\ud800"', f'"{"5" * 65}"', "15550100", "true", "[]", r'"+1555\n0100"'],
    "from": [r'"\u0000"', r'"\ud800"', f'"{"5" * 65}"', "15550100", "[]", r'"\u0007"'],
    "attributes": [r'{"a": "\u0000"}', r'{"\u0000": 1}', r'{"a": "\ud800"}', r'{"\ud800": 1}', '{"a": 1e400}',
                   f'{{"a": {"9" * 5_000}}}', f'{{"a": "{"x" * 9_000}"}}', f'{{"a": {"[" * DEEP}{"]" * DEEP}}}',
                   f'{{"a": {"[" * 900}"\\u0000"{"]" * 900}}}',
                   '"text"', "[1]", "17", "true"],
    "destination": ['"1900"'],
    r"\u0000": ["1"],
}  # fmt: skip
POISON = [
    *(Poison(f"{member} {text[:30]}", spoilt(member, text)) for member, texts in MEMBERS.items() for text in texts),
    *(Poison(text[:20], text) for text in ("null", "17", '"text"', "[]", "{}", "true", '{"id": "only"}')),
    Poison("deep arrays", "[" * DEEP + "]" * DEEP),
    Poison("deep objects", '{"a":' * (DEEP // 2) + "1" + "}" * (DEEP // 2)),
    Poison("half a character", spoilt("id", '"?"').encode().replace(b"?", b"\xc3"), broken=True),
    Poison("no Unicode", spoilt("to", '"?"').encode().replace(b"?", b"\xff\xfe"), broken=True),
    Poison("a bare NUL", spoilt("id", '"a?b"').encode().replace(b"?", b"\0"), broken=True),
    Poison("NaN", spoilt("quantity", "NaN"), broken=True),
    Poison("Infinity", spoilt("quantity", "-Infinity"), broken=True),
    Poison("a leading zero", spoilt("quantity", "01"), broken=True),
    Poison("cut off", spoilt("to", '"1"')[:-1], broken=True),
    Poison("a comma too many", spoilt("to", '"1"')[:-1] + ",}", broken=True),
    Poison("Python", "{'id': 'x'}", broken=True),
    Poison("a byte order mark", b"\xef\xbb\xbf" + spoilt("to", '"1"').encode(), broken=True),
]


@pytest.fixture
def switch(live: str) -> Iterator[httpx.Client]:
    """A machine with a key, over a socket."""
    made = world.made()
    with httpx.Client(
        base_url=live, headers={"Authorization": f"Bearer {made.secret}"}, trust_env=False, timeout=60
    ) as client:
        yield client


def events(batch: int, count: int) -> list[bytes]:
    """Good events' own texts, no two of them alike."""
    return [json.dumps(good(batch * THOUSAND + number)).encode() for number in range(count)]


def fault_of(answer: httpx.Response, count: int, place: int) -> str:
    """Empty if all but one were taken, and the one is named by its place, with a code and a sentence."""
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.text[:200]}"
    said = answer.json()
    if (said["accepted"], said["duplicates"]) != (count - 1, 0):
        return f"accepted {said['accepted']}, duplicates {said['duplicates']}"
    bad = said["rejected"][0]
    if bad["index"] != place or not bad["code"] or not bad["message"] or len(said["rejected"]) > 1:
        return str(said["rejected"])[:300]
    return "" if len(answer.content) < 2_000 else "the refusal repeats the poison"


def test_one_bad_line_of_a_hundred_is_named_and_the_others_are_taken(switch: httpx.Client) -> None:
    faults = {}
    for turn, poison in enumerate(POISON):
        lines = events(turn, 100)
        lines[61] = poison.bytes
        answer = switch.post("/api/v1/usage", content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"})
        faults[poison.name] = fault_of(answer, 100, 61)
    assert {name: fault for name, fault in faults.items() if fault} == {}
    assert UsageEvent.objects.count() == len(POISON) * 99
    assert audit() == []


def test_one_bad_event_of_an_array_of_a_thousand_is_named_and_the_others_are_taken(switch: httpx.Client) -> None:
    """What is not JSON spoils the whole array, since nobody can tell where it ends; then nothing of it is taken."""
    taken, faults = 0, {}
    for turn, poison in enumerate(POISON):
        array = events(turn, THOUSAND)
        array[PLACE] = poison.bytes
        answer = switch.post("/api/v1/usage", content=b"[" + b",".join(array) + b"]")
        if poison.broken and answer.status_code == 400:
            assert answer.json()["code"] == "invalid", poison.name
            continue
        faults[poison.name] = fault_of(answer, THOUSAND, PLACE)
        taken += THOUSAND - 1
    found = {name: fault for name, fault in faults.items() if fault}
    assert not found, "\n".join(f"{name}: {fault[:150]}" for name, fault in found.items())
    assert UsageEvent.objects.count() == taken
    assert audit() == []


def test_all_poison_at_once_leaves_the_good_events_alone(switch: httpx.Client) -> None:
    """And an id that comes again in the same batch: as it was, a duplicate; with another body, a conflict."""
    first = [json.dumps(good(number)).encode() for number in range(200)]
    again = [json.dumps(good(7)).encode(), json.dumps(good(8) | {"quantity": 2}).encode()]
    lines = [*first, *(poison.bytes for poison in POISON), *again, *(json.dumps(good(300 + n)).encode() for n in range(200))]
    said = switch.post("/api/v1/usage", content=b"\n".join(lines), headers={"Content-Type": "application/x-ndjson"}).json()
    conflict = 200 + len(POISON) + 1
    assert [bad["index"] for bad in said["rejected"]] == [*range(200, 200 + len(POISON)), conflict]
    assert said["rejected"][-1]["code"] == "event_conflict" and said["rejected"][-1]["id"] == "good-8"
    assert (said["accepted"], said["duplicates"]) == (400, 1)
    assert [event.quantity for event in UsageEvent.objects.filter(event_id="good-8")] == [Decimal(1)]
    assert audit() == []
