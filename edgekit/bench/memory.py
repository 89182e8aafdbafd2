"""Loads a bundle in a fresh process, and says how long that took and how much memory it holds."""

import subprocess
import sys
from pathlib import Path
from time import perf_counter_ns

import msgspec

from edgekit.errors import Unavailable
from edgekit.runtime.options import EngineOptions

_RUNS = 3
_TIMEOUT_S = 300.0


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What one artifact takes in a process that does nothing else; bytes.

    Attributes:
        load_ms: from the folder to a session that is ready.
        growth_bytes: memory of its own (anonymous) after a few samples less that before loading,
            which other processes with the same libraries do not change; resident memory where
            Linux does not tell them apart.
        peak_bytes: the most that the process ever held, libraries included.
    """

    load_ms: float
    growth_bytes: int
    peak_bytes: int


class _Task(msgspec.Struct, frozen=True, kw_only=True):
    bundle: str
    engine: str
    variant: str
    options: EngineOptions


def footprint(bundle: Path, engine: str, variant: str, options: EngineOptions) -> Footprint:
    """Measures an artifact.

    Raises:
        Unavailable: the process failed; says how.
    """
    task = _Task(bundle=str(bundle), engine=engine, variant=variant, options=options)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.bench.memory"],
            input=msgspec.json.encode(task, enc_hook=str),
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        return msgspec.json.decode(done.stdout, type=Footprint)
    except (msgspec.MsgspecError, OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{bundle}: its memory could not be measured: {error}") from error


def _measure(task: _Task) -> Footprint:
    import numpy as np

    from edgekit.runtime.memory import give_memory_back
    from edgekit.runtime.session import Session

    if task.engine == "litert":
        import edgekit.runtime.litert_engine
    else:
        import edgekit.runtime.onnxruntime_engine  # noqa: F401
    before = _held_bytes()
    started = perf_counter_ns()
    session = Session.open(
        Path(task.bundle),
        engine=task.engine,  # type: ignore[arg-type]  # it was one when the task was written
        variant=task.variant,
        threads=task.options.threads,
        providers=task.options.providers,
        arena=task.options.arena,
        cache=task.options.cache,
    )
    load_ns = perf_counter_ns() - started
    spec = session.artifact.input
    zeros = np.zeros(spec.shape, spec.dtype)
    session.engine.run(zeros)
    give_memory_back()  # as `load_session` does after the golden vectors
    for _ in range(_RUNS):
        session.engine.run(zeros)
    return Footprint(
        load_ms=load_ns / 1e6,
        growth_bytes=max(0, _held_bytes() - before),
        peak_bytes=_kilobytes("status", "VmHWM"),
    )


def _held_bytes() -> int:
    """What no file stands behind, or all that is resident on a kernel that does not say."""
    return _kilobytes("smaps_rollup", "Anonymous") or _kilobytes("status", "VmRSS")


def _kilobytes(file: str, key: str) -> int:
    """A figure that Linux tells of this process in kilobytes, in bytes; 0 where it does not."""
    try:
        lines = Path("/proc/self", file).read_text().splitlines()
    except OSError:
        return 0
    found = (line.split()[1] for line in lines if line.startswith(f"{key}:"))
    return int(next(found, "0")) * 1024


if __name__ == "__main__":
    given = msgspec.json.decode(
        sys.stdin.buffer.read(), type=_Task, dec_hook=lambda kind, text: kind(text)
    )
    sys.stdout.write(msgspec.json.encode(_measure(given)).decode())
