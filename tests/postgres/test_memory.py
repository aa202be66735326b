"""What the embedded PostgreSQL takes of a machine's memory."""

import pytest

from tollbook.postgres import memory

GIGABYTE = 1 << 30


@pytest.mark.parametrize(
    ("there", "expected"),
    [(0, "256MB"), (GIGABYTE // 2, "256MB"), (2 * GIGABYTE, "512MB"), (24 * GIGABYTE, "6144MB"), (256 * GIGABYTE, "8192MB")],
)
def test_a_quarter_of_the_memory_within_bounds(there: int, expected: str) -> None:
    assert memory.shared_buffers(there) == expected


def test_the_machine_or_its_container_tells() -> None:
    assert memory.there_is() > 100 * memory.MEGABYTE


def test_a_container_without_a_limit_has_none(tmp_path) -> None:
    file = tmp_path / "memory.max"
    assert memory._limit(file) == 0
    file.write_text("max\n")
    assert memory._limit(file) == 0
    file.write_text("536870912\n")
    assert memory._limit(file) == 512 * memory.MEGABYTE
