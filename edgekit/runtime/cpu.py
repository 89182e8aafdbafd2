"""Which CPU this is: what was optimised or timed on one says nothing of another."""

import hashlib
import platform
from functools import cache
from pathlib import Path

_TELLING = (
    "model name", "flags", "Features", "CPU implementer", "CPU architecture", "CPU variant",
    "CPU part", "Model",
)  # fmt: skip


@cache
def cpu_identity(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """A hash of the processor's name, its instructions and how many it has.

    Args:
        cpuinfo: what Linux says of it; where that cannot be read, the machine's type counts.
    """
    try:
        text = cpuinfo.read_text(errors="replace")
    except OSError:
        text = ""
    pairs = [line.partition(":")[::2] for line in text.splitlines()]
    told = [
        f"{key.strip()}={' '.join(sorted(value.split()))}"
        for key, value in pairs
        if key.strip() in _TELLING
    ]
    told.append(platform.machine())
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
