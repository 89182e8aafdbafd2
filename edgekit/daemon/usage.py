"""What the daemon and its children take of the board: processor time and memory."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """What a process and all its children take.

    Attributes:
        cpu_percent: of one core, since the reading before; `None` at the first.
        memory_mb: proportional set size in 10^6 bytes: pages shared with others count in parts.
    """

    cpu_percent: float | None
    memory_mb: float | None


class UsageMeter:
    """Reads `/proc`; what it does not say is `None`."""

    def __init__(
        self,
        pid: int | None = None,
        *,
        proc: Path = Path("/proc"),
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pid = os.getpid() if pid is None else pid
        self._proc = proc
        self._clock_s = clock_s
        self._before: tuple[float, dict[int, float]] | None = None

    def read(self) -> Usage:
        """What they take now."""
        now, used_s = self._clock_s(), {}
        memory: list[int] = []
        for pid in self._family(self._pid):
            seconds, size = _cpu_s(self._proc / str(pid)), _pss_bytes(self._proc / str(pid))
            if seconds is not None:
                used_s[pid] = seconds
            if size is not None:
                memory.append(size)
        percent = None
        if self._before is not None and now > self._before[0]:
            then, used_then_s = self._before
            grown_s = sum(used - used_then_s.get(pid, 0.0) for pid, used in used_s.items())
            percent = round(100 * max(0.0, grown_s) / (now - then), 1)
        self._before = (now, used_s)
        return Usage(percent, round(sum(memory) / 1e6, 1) if memory else None)

    def _family(self, pid: int) -> Iterator[int]:
        yield pid
        for children in (self._proc / str(pid) / "task").glob("*/children"):
            for child in _text(children).split():
                yield from self._family(int(child))


def _cpu_s(process: Path) -> float | None:
    """User and system time: fields 14 and 15 of proc(5)'s stat, counted after the name."""
    fields = _text(process / "stat").rpartition(")")[2].split()
    if len(fields) < 13:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss_bytes(process: Path) -> int | None:
    for line in _text(process / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended meanwhile, or is not ours to read
        return ""
