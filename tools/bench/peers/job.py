"""What a compressor is asked for, and what it took: the same for every tool.

A tool's module runs in that tool's own environment, where edgekit is not installed.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Job:
    """One model to compress.

    Attributes:
        mode: which of the tool's ways.
        model: the float ONNX file, with one input.
        calibration: an `.npz` with `x`, the tensors to read ranges from, and `y`, their classes
            or -1.
        out: the file to write.
    """

    mode: str
    model: str
    calibration: str
    out: str

    def encode(self) -> str:
        return json.dumps(asdict(self))


def taken_path(out: str) -> Path:
    """Where a job says what it took: `seconds`, and `peak_bytes` of memory."""
    return Path(f"{out}.taken.json")


def run(work: Callable[[Job], None]) -> None:
    """Does the job that the command line holds, and writes what it took."""
    job = Job(**json.loads(sys.argv[1]))
    with measured(job.out):
        work(job)


@contextmanager
def measured(out: str) -> Iterator[None]:
    """Writes what the block took, if it ends well."""
    started = perf_counter()
    yield
    taken = {"seconds": perf_counter() - started, "peak_bytes": _peak_bytes()}
    taken_path(out).write_text(json.dumps(taken), encoding="utf-8")


def _peak_bytes() -> int:
    """Of this program alone: `getrusage` would count what its parent held before it began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
