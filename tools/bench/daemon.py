"""What the daemon costs: time beside the bare model, start-up, and memory.

`.venv/bin/python -m tools.bench.daemon --bundle BUNDLE --video FILE`
"""

import json
import os
import shutil
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
from edgekit.daemon.usage import UsageMeter
from edgekit.messaging.outbox import Outbox, Priority, open_outbox
from edgekit.pipeline.capture.settings import VideoSettings
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.message import payload_of
from edgekit.pipeline.parts import Event
from edgekit.pipeline.runner import PipelineRunner
from edgekit.pipeline.sinks.jsonl import JsonlSink
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.runtime.engine import Engine
from edgekit.runtime.session import Session

_FRAMES = 600
_STARTS = 7
_SETTLE_FRAMES = 60


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--video", type=click.Path(path_type=Path, exists=True), required=True)
def main(bundle: Path, video: Path) -> None:
    """Measures a picture bundle on a video."""
    measure(bundle, video)


def measure(bundle: Path, video: Path) -> None:
    """All figures of the daemon."""
    overhead(bundle, video)
    startup(bundle, video)
    hot_swap(bundle, video)
    idle(bundle, video)
    crowd(bundle, video)


def overhead(bundle: Path, video: Path) -> None:
    """A pipeline's time a frame over the bare model's, on a video as fast as it goes.

    The video is decoded by the capture process on another core, and events go to the outbox's
    file and a file of lines, so that this is the whole of what a frame costs the daemon.
    """
    variant = "fp32" if (bundle / "model.fp32.onnx").exists() else "main"
    session = Session.open(bundle, variant=variant)
    rule = session.bundle.manifest.input.picture
    assert rule is not None
    frame = np.random.default_rng(0).integers(0, 256, (1, rule.height, rule.width, 3), np.uint8)
    bare = _BareModel(Session.open(bundle, variant=variant).engine, frame)
    source = CaptureSource(VideoSettings(path=video, loop=True), rule=rule)
    with (
        tempfile.TemporaryDirectory() as folder,
        JsonlSink(Path(folder) / "o.jsonl") as sink,
        open_outbox(Path(folder) / "outbox.db") as outbox,
    ):
        runner = PipelineRunner(
            "bench",
            source=source,
            session=session,
            sinks=[sink, _OutboxSink(outbox), bare],
            boot="b",
        )
        bare.stop_after(_FRAMES, runner)
        runner.run()
    model, pipeline = (np.array(times[20:]) for times in (bare.bare_ns, bare.pipeline_ns))
    low, median, high = np.quantile(pipeline / model, [0.1, 0.5, 0.9])
    tail = np.quantile(pipeline, 0.99) / np.quantile(model, 0.99)
    work = [np.array(times[20:]) for times in (bare.pipeline_work_ns, bare.bare_work_ns)]
    work_p50, work_p99 = np.quantile(work[0], [0.5, 0.99]) / np.quantile(work[1], [0.5, 0.99])
    click.echo(f"\n### Pipeline overhead ({variant} of {bundle.name}, one thread)\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo(f"| a frame through the pipeline / bare `run`, median (middle 80 %) | "
               f"{median:.3f} ({low:.3f}-{high:.3f}) |")  # fmt: skip
    click.echo(f"| p50 / p50 of the bare model | {np.median(pipeline) / np.median(model):.3f} |")
    click.echo(f"| p99 / p99 of the bare model | {tail:.3f} |")
    click.echo(f"| the thread's own processor time: p50 / p50, p99 / p99 | "
               f"{work_p50:.3f}, {work_p99:.3f} |")  # fmt: skip


def startup(bundle: Path, video: Path) -> None:
    """Time from start to running beside importing onnxruntime alone; memory while it works."""
    imports = [
        _seconds([sys.executable, "-c", "import numpy, onnxruntime"]) for _ in range(_STARTS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "edgekit.toml"
        config.write_text(_pipeline("door", bundle, video))
        starts = []
        for _ in range(_STARTS):
            with _daemon(config) as (process, seconds):
                starts.append(seconds)
                output = Path(folder) / "o.jsonl"
                _await_lines(output, _SETTLE_FRAMES)
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


def hot_swap(bundle: Path, video: Path) -> None:
    """Frames lost, and the longest gap, while another model takes over at 30 frames a second."""
    swaps, dropped = 5, 0
    gaps: list[float] = []
    usual: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for way in ("a", "b"):
            shutil.copytree(bundle, folder / way)
        _rename(folder / "b", "other-model")
        config, output = folder / "edgekit.toml", folder / "o.jsonl"
        config.write_text(_pipeline("door", folder / "a", video, policy="every"))
        with _daemon(config) as (process, _):
            _await_lines(output, 60)
            for number in range(swaps):
                before = output.read_bytes().count(b"\n")
                now = folder / ("b" if number % 2 == 0 else "a")
                config.write_text(_pipeline("door", now, video, policy="every"))
                process.send_signal(signal.SIGHUP)
                _await_lines(output, before + 60)
        told = [json.loads(line) for line in output.read_text().splitlines()]
    done_ms = [one["captured"] + sum(one["ms"].values()) for one in told]
    for before, after, gap in zip(told, told[1:], np.diff(done_ms), strict=False):
        dropped += int(after["origin"].split("#")[1]) - int(before["origin"].split("#")[1]) - 1
        (usual if before["model"] == after["model"] else gaps).append(float(gap))
    click.echo("\n### Hot model swap at 30 frames a second\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo(f"| swaps | {len(gaps)} |")
    click.echo(f"| frames dropped | {dropped} |")
    click.echo(f"| longest gap at a swap, in frame periods of the video | "
               f"{max(gaps) / float(np.median(usual)):.2f} |")  # fmt: skip
    click.echo(f"| longest gap elsewhere | {max(usual) / float(np.median(usual)):.2f} |")


def idle(bundle: Path, video: Path) -> None:
    """Processor time and memory of one camera at 5 pictures a second."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "edgekit.toml"
        config.write_text(_pipeline("door", bundle, video, more="max_hz = 5, "))
        with _daemon(config) as (process, _):
            _await_lines(Path(name) / "o.jsonl", 20)
            meter = UsageMeter(process.pid)
            meter.read()
            time.sleep(20)
            usage, own = meter.read(), _pss(process.pid)
    click.echo("\n### One camera at 5 pictures a second\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo(f"| CPU of daemon and capture process, of one core | {usage.cpu_percent} % |")
    click.echo(f"| PSS of the daemon's own process | {own / 1e6:.0f} MB |")
    click.echo(f"| PSS of daemon and capture process | {usage.memory_mb:.0f} MB |")


def crowd(bundle: Path, video: Path) -> None:
    """Ten pipelines at once, of the same model."""
    with tempfile.TemporaryDirectory() as name:
        config = Path(name) / "edgekit.toml"
        config.write_text(
            "".join(
                _pipeline(f"p{n}", bundle, video, more="max_hz = 2, ", output=f"o{n}.jsonl")
                for n in range(10)
            )
        )
        with _daemon(config) as (process, _):
            for number in range(10):
                _await_lines(Path(name) / f"o{number}.jsonl", 20)
            usage = UsageMeter(process.pid).read()
            own = _pss(process.pid)
    click.echo("\n### Ten pipelines at 2 pictures a second each\n")
    click.echo("| figure | value |\n| --- | --- |")
    click.echo("| pipelines that answered | 10 |")
    click.echo(f"| PSS of the daemon's own process | {own / 1e6:.0f} MB |")
    click.echo(f"| PSS of daemon and ten capture processes | {usage.memory_mb:.0f} MB |")


def _pipeline(
    name: str,
    bundle: Path,
    video: Path,
    *,
    policy: str = "newest",
    more: str = "",
    output: str = "o.jsonl",
) -> str:
    return (
        f'[pipelines.{name}]\nbundle = "{bundle.resolve()}"\nthreads = 1\n'
        f'source = {{ kind = "video", path = "{video.resolve()}", realtime = true, '
        f'loop = true, {more}policy = "{policy}" }}\n'
        f'sinks = [{{ kind = "jsonl", path = "{output}" }}]\n'
    )


def _rename(bundle: Path, name: str) -> None:
    """Gives a bundle another identity."""
    path = bundle / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "name": name}))


def _await_lines(path: Path, count: int) -> None:
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        time.sleep(0.05)


class _OutboxSink(MemorySink):
    """Puts each event into the outbox, as the daemon does for QoS 1."""

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self._outbox = outbox

    def send(self, event: Event) -> bool:
        self._outbox.put("infer/bench", payload_of(event), priority=Priority.TELEMETRY)
        return True


class _BareModel(MemorySink):
    """Runs the bare model after each event, on the pipeline's own thread, and times both.

    Also in processor time, which other programs on the machine hardly change.
    """

    def __init__(self, engine: Engine, tensor: Array) -> None:
        super().__init__()
        self._engine = engine
        self._tensor = tensor
        self._since = time.perf_counter_ns()
        self._worked = 0
        self._most = 0
        self._runner: PipelineRunner | None = None
        self.bare_ns: list[int] = []
        self.pipeline_ns: list[int] = []
        self.bare_work_ns: list[int] = []
        self.pipeline_work_ns: list[int] = []

    def stop_after(self, frames: int, runner: PipelineRunner) -> None:
        self._most, self._runner = frames, runner

    def send(self, event: Event) -> bool:
        started, worked = time.perf_counter_ns(), time.thread_time_ns()
        self.pipeline_ns.append(started - self._since)
        self.pipeline_work_ns.append(worked - self._worked)
        self._engine.run(self._tensor)
        if len(self.pipeline_ns) >= self._most and self._runner is not None:
            self._runner.stop()
        self._since, self._worked = time.perf_counter_ns(), time.thread_time_ns()
        self.bare_ns.append(self._since - started)
        self.bare_work_ns.append(self._worked - worked)
        return True


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
