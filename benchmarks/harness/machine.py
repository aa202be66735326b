"""Processor time and memory of processes (Linux), and what machine this is."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


class Tree:
    """A process and its descendants."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu_seconds(self) -> float:
        """Processor time so far, of those that ended and were waited for too."""
        return sum(_ticks(pid) for pid in self._pids()) / TICKS

    def forget_peak(self) -> None:
        """Let peak memory begin anew; where that is not allowed, it goes on from the start of the process."""
        for pid in self._pids():
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """The peak of the largest of them: of a web server, the process that works."""
        return max(_status_kb(pid, "VmHWM") for pid in self._pids()) / 1024

    def _pids(self) -> Iterator[int]:
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            with suppress(OSError):
                for file in Path(f"/proc/{pid}/task").glob("*/children"):
                    waiting += map(int, file.read_text().split())


def described() -> dict[str, object]:
    """Cores, processor, memory, kernel."""
    return {
        "cores": os.cpu_count(),
        "processor": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def busy_share(seconds: float = 1.0) -> float:
    """How busy all processors are, 0 to 1: asked when nothing is measured, it tells what else went on."""
    before = _all_ticks()
    time.sleep(seconds)
    busy, idle = (after - earlier for after, earlier in zip(_all_ticks(), before, strict=True))
    return busy / (busy + idle) if busy + idle else 0.0


def commit() -> str:
    """The commit that is measured, with a + when files differ from it; empty outside of a checkout."""
    changed = _git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/results")
    return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def _all_ticks() -> tuple[int, int]:
    """Busy and idle ticks of all processors since the start of the machine."""
    with suppress(OSError):
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(fields) - fields[3] - fields[4], fields[3] + fields[4]
    return 0, 0


def _ticks(pid: int) -> int:
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15]))
    return 0


def _status_kb(pid: int, name: str) -> int:
    return int(_first(f"/proc/{pid}/status", name).split()[0] or 0) if Path(f"/proc/{pid}").exists() else 0


def _first(file: str, name: str) -> str:
    with suppress(OSError):
        for line in Path(file).read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""


def _git(*arguments: str) -> str:
    with suppress(OSError):
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, cwd=Path(__file__).parent.parent.parent
        ).stdout.strip()
    return ""
