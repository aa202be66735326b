"""How much memory there is, and what of it the embedded PostgreSQL keeps for pages of its tables."""

import os
from pathlib import Path

MEGABYTE = 1 << 20
LEAST, MOST = 256, 8_192
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def there_is() -> int:
    """Bytes of memory of this machine, or of the container when it may use less; 0 when nobody tells."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0
    return min([machine, *(limit for file in _LIMITS if (limit := _limit(file)))])


def shared_buffers(memory: int) -> str:
    """A quarter of the memory, at least 256 MB and at most 8 GB: PostgreSQL's own advice for a server that has company."""
    return f"{min(max(memory // 4 // MEGABYTE, LEAST), MOST)}MB"


def _limit(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # no container, or one without a limit, which says "max"
        return 0
