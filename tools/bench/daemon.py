"""What the daemon costs: time beside the bare model, start-up, and memory.

`.venv/bin/python -m tools.bench.daemon --bundle BUNDLE --video FILE`
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import numpy as np
import psutil

from edgekit.array import Array
from edgekit.pipeline.parts import Event, Sample
from edgekit.pipeline.runner import PipelineRunner
from edgekit.pipeline.sinks.jsonl import JsonlSink
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.pipeline.sources.replay import ReplaySource
from edgekit.runtime.engine import Engine
from edgekit.runtime.session import Session

_FRAMES = 300
_STARTS = 7
_SETTLE_FRAMES = 60


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--video", type=click.Path(path_type=Path, exists=True), required=True)
def main(bundle: Path, video: Path) -> None:
    """Measures a picture bundle on a video."""
    overhead(bundle)
    startup(bundle, video)


def overhead(bundle: Path) -> None:
    """A pipeline's time a frame, all but decoding and resizing, over the bare model's."""
    session = Session.open(bundle)
    rule = session.bundle.manifest.input.picture
    assert rule is not None
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (rule.height, rule.width, 3), np.uint8)
    samples = (Sample(frame, time.monotonic_ns(), 0, f"frame {n}") for n in range(_FRAMES))
    bare = _BareModel(Session.open(bundle).engine, frame[np.newaxis])
    with tempfile.TemporaryDirectory() as folder, JsonlSink(Path(folder) / "o.jsonl") as sink:
        PipelineRunner(
            "bench", source=ReplaySource(samples), session=session, sinks=[sink, bare], boot="b"
        ).run()
    times = {"bare": bare.bare_ns, "pipeline": bare.pipeline_ns}
    model, pipeline = (np.array(times[way][10:]) for way in ("bare", "pipeline"))
    share = pipeline / model
    low, median, high = np.quantile(share, [0.1, 0.5, 0.9])
    click.echo("\n### Pipeline overhead\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo(f"| a frame through the pipeline / bare `run`, median (middle 80 %) | "
               f"{median:.3f} ({low:.3f}-{high:.3f}) |")  # fmt: skip
    click.echo(f"| p99 / p50 of the pipeline | {_tail(pipeline):.2f} |")
    click.echo(f"| p99 / p50 of the bare model | {_tail(model):.2f} |")


def startup(bundle: Path, video: Path) -> None:
    """Time from start to running beside importing onnxruntime alone; memory while it works."""
    imports = [
        _seconds([sys.executable, "-c", "import numpy, onnxruntime"]) for _ in range(_STARTS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "edgekit.toml"
        config.write_text(
            f'[pipelines.door]\nbundle = "{bundle.resolve()}"\npolicy = "newest"\n'
            f'source = {{ kind = "video", path = "{video.resolve()}", realtime = true, '
            'loop = true }\nsinks = [{ kind = "jsonl", path = "o.jsonl" }]\n'
        )
        starts = []
        for _ in range(_STARTS):
            with _daemon(config) as (process, seconds):
                starts.append(seconds)
                output = Path(folder) / "o.jsonl"
                while not output.exists() or output.read_bytes().count(b"\n") < _SETTLE_FRAMES:
                    time.sleep(0.05)
                children = psutil.Process(process.pid).children(recursive=True)
                own, child = _pss(process.pid), sum(_pss(child.pid) for child in children)
                output.unlink()
    ratios = np.array(starts) / np.median(imports)
    low, median, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    click.echo("\n### Start-up and memory\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo(f"| start to running (bundle verified, self-tested) / `import numpy, onnxruntime` | "
               f"{median:.2f} ({low:.2f}-{high:.2f}) |")  # fmt: skip
    click.echo(f"| PSS of the daemon's process | {own / 1e6:.0f} MB |")
    click.echo(f"| PSS of the capture child (it has cv2) | {child / 1e6:.0f} MB |")


class _BareModel(MemorySink):
    """Runs the bare model after each event, on the pipeline's own thread, and times both."""

    def __init__(self, engine: Engine, tensor: Array) -> None:
        super().__init__()
        self._engine = engine
        self._tensor = tensor
        self._since = time.perf_counter_ns()
        self.bare_ns: list[int] = []
        self.pipeline_ns: list[int] = []

    def send(self, event: Event) -> bool:
        started = time.perf_counter_ns()
        self.pipeline_ns.append(started - self._since)
        self._engine.run(self._tensor)
        self._since = time.perf_counter_ns()
        self.bare_ns.append(self._since - started)
        return True


def _tail(times: Array) -> float:
    return float(np.quantile(times, 0.99) / np.median(times))


def _seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


@contextmanager
def _daemon(config: Path) -> Iterator[tuple[subprocess.Popen[str], float]]:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgekit.daemon.main", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "running" in line:
            break
    try:
        yield process, time.perf_counter() - started
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait()
        process.stderr.close()


def _pss(pid: int) -> int:
    """Proportional set size in bytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    line = next(line for line in text.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main()
