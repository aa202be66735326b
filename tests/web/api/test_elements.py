"""Elements of an array are told apart even when some of them are no JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tollbook.web.api.elements import MOST_TOKENS, elements

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=20,
)


@given(some.lists(values, max_size=6), some.booleans())
def test_every_array_comes_apart_into_its_elements(array: list[Any], spread: bool) -> None:
    text = json.dumps(array, indent=2 if spread else None, ensure_ascii=spread).encode("utf-8", "surrogatepass")
    assert [json.loads(one) for one in elements(text) or []] == array


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[]", []),
        (b" [ ] \n", []),
        (rb'[1, "\ud800", {"a": "]"}]', [b"1", rb'"\ud800"', b'{"a": "]"}']),
        (b'["\xff,", NaN, 01, {"a": 1,}]', [b'"\xff,"', b"NaN", b"01", b'{"a": 1,}']),
        (rb'["\"", "\\", ","]', [rb'"\""', rb'"\\"', b'","']),
        (b"[1,]", [b"1", b""]),
        (b"[,]", [b"", b""]),
    ],
)
def test_what_is_no_json_is_left_to_whoever_reads_the_element(text: bytes, expected: list[bytes]) -> None:
    assert elements(text) == expected


@pytest.mark.parametrize("text", [b"", b"1", b"{}", b"[", b"[1", b"[[1]", b'["', b'["a]', b'["a\\"]', b"[1]]", b"[1] [2]"])
def test_brackets_and_quotes_that_do_not_tell_are_not_guessed_at(text: bytes) -> None:
    assert elements(text) is None


def test_looking_ends_where_nobodys_events_are_meant() -> None:
    assert elements(b"[" + b"0," * (MOST_TOKENS + 1) + b"0]") is None
    assert elements(b"[" * 1_000_000) is None
