"""What machine this is, so that a latency can be judged."""

import os
import platform
import resource
import sys
from pathlib import Path

import msgspec

_TELLING = ("avx512_vnni", "avx_vnni", "avx2", "asimddp", "i8mm")
"""Instructions that decide how fast integers are multiplied, as Linux names them."""


class Machine(msgspec.Struct, frozen=True):
    """A computer, as far as it matters to a latency.

    Attributes:
        processor: its name.
        cpus: how many there are.
        instructions: those that multiply integers fast, of the ones edgekit knows.
        python: the version that ran.
    """

    processor: str
    cpus: int
    instructions: tuple[str, ...]
    python: str

    @property
    def saturates(self) -> bool:
        """Whether full-range INT8 weights overflow here: an x86 without VNNI."""
        is_x86 = "avx2" in self.instructions or platform.machine() in ("x86_64", "AMD64")
        return is_x86 and not any("vnni" in name for name in self.instructions)


def this_machine() -> Machine:
    """Reads `/proc/cpuinfo`."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(errors="replace") if path.exists() else ""
    parts = (line.partition(":") for line in text.splitlines())
    lines = {key.strip(): value.strip() for key, _, value in parts}
    flags = (lines.get("flags") or lines.get("Features") or "").split()
    return Machine(
        processor=lines.get("model name") or lines.get("Model") or platform.machine(),
        cpus=os.cpu_count() or 1,
        instructions=tuple(name for name in _TELLING if name in flags),
        python=platform.python_version(),
    )


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
