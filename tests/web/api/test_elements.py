"""Elements of an array are told apart even when some of them are no JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tollbook.web.api.elements import MOST_TOKENS, TooMany, crowded, elements, lines

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


@given(some.lists(values, max_size=6), some.booleans())
def test_every_array_comes_apart_into_its_elements(array: list[Any], spread: bool) -> None:
    text = json.dumps(array, indent=2 if spread else None, ensure_ascii=spread).encode("utf-8", "surrogatepass")
    assert [json.loads(one) for one in elements(text, 100) or []] == array


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (rb'[1, "\ud800", {"a": "]"}]', [b"1", rb'"\ud800"', b'{"a": "]"}']),
        (b'["\xff,", NaN, 01, {"a": 1,}]', [b'"\xff,"', b"NaN", b"01", b'{"a": 1,}']),
        (rb'["\"", "\\", ","]', [rb'"\""', rb'"\\"', b'","']),
    ],
)
def test_what_is_no_json_is_left_to_whoever_reads_the_element(text: bytes, expected: list[bytes]) -> None:
    assert elements(text, 100) == expected


@pytest.mark.parametrize(
    "text",
    [b"", b"1", b"{}", b"[", b"[1", b"[[1]", b'["', b'["a]', b'["a\\"]', b"[1]]", b"[1] [2]", b"[1,]", b"[,]", b"[,1]"],
)
def test_brackets_and_quotes_that_do_not_tell_are_not_guessed_at(text: bytes) -> None:
    assert elements(text, 100) is None


@given(some.lists(some.sampled_from([b"", b" ", b"\r", b"1", b'{"a": 1}', b"\xff"]), max_size=12))
def test_every_line_has_its_number(told: list[bytes]) -> None:
    expected = [(number, line) for number, line in enumerate(told) if line.strip()]
    assert lines(b"\n".join(told), 100) == expected


def test_looking_ends_where_nobodys_events_are_meant() -> None:
    for text in (b"[1,2,3]", b"[" * (MOST_TOKENS + 2)):
        with pytest.raises(TooMany):
            elements(text, 1)
    with pytest.raises(TooMany):
        lines(b"1\n\n2\n3", 2)
    assert elements(b"[1,2,3]", 3) == [b"1", b"2", b"3"] and lines(b"1\n2", 2) == [(0, b"1"), (1, b"2")]


def test_a_body_is_crowded_when_it_is_large_and_full_of_elements() -> None:
    event = b'{"id": "a", "occurred_at": "2026-03-01T12:00:00Z", "attributes": {"note": "' + b"x" * 200 + b'"}},'
    assert not crowded(event * 10_000, 10_000)
    assert crowded(event * 10_001, 10_000)
    assert crowded(b"0," * 700_000, 10_000)
    assert not crowded(b"0," * 500_000, 10_000), "small bodies are harmless"
