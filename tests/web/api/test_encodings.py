"""Compressed bodies: whole, in several parts, cut off; never more than a body may be."""

import gzip

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as some

from tollbook.errors import Invalid
from tollbook.web.api.encodings import MOST_PARTS, plain
from tollbook.web.intake import LARGEST_BODY, TooLarge

PACK = {"gzip": gzip.compress, "zstd": zstandard.compress}
bodies = some.binary(max_size=400).flatmap(lambda one: some.sampled_from([1, 50, 3_000]).map(lambda times: one * times))


@pytest.mark.parametrize("encoding", PACK)
@given(some.lists(bodies, min_size=1, max_size=4))
def test_what_was_packed_in_any_number_of_parts_comes_out_whole(encoding: str, parts: list[bytes]) -> None:
    assert plain(b"".join(map(PACK[encoding], parts)), encoding) == b"".join(parts)


@given(bodies, some.data())
def test_a_gzip_body_that_is_cut_off_is_refused_or_ends_with_a_member(body: bytes, data: some.DataObject) -> None:
    packed = gzip.compress(body) + gzip.compress(b"tail")
    cut = packed[: data.draw(some.integers(1, len(packed) - 1))]
    try:
        assert plain(cut, "gzip") == body
    except Invalid:
        assert len(cut) != len(gzip.compress(body))


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_may_be_as_large_as_one_that_is_not_packed_and_no_larger(encoding: str) -> None:
    assert len(plain(PACK[encoding](b" " * LARGEST_BODY), encoding)) == LARGEST_BODY
    with pytest.raises(TooLarge):
        plain(PACK[encoding](b" " * (LARGEST_BODY + 1)), encoding)


@pytest.mark.parametrize("encoding", PACK)
def test_a_million_empty_parts_are_not_looked_at(encoding: str) -> None:
    with pytest.raises(Invalid):
        plain(PACK[encoding](b"") * (MOST_PARTS + 1), encoding)
