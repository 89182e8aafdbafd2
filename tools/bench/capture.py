"""What capture does to the age of pictures under load, and what it costs the daemon.

`.venv/bin/python -m tools.bench.capture`
"""

import hashlib
import sys
import tempfile
import threading
import time
from itertools import islice
from pathlib import Path

import click
import numpy as np

from edgekit.array import Array
from edgekit.bundle import (
    Bundle,
    InputSpec,
    Manifest,
    OutputSpec,
    PictureRule,
    Thresholds,
    write_bundle,
)
from edgekit.pipeline.capture.settings import CameraSettings
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.mailbox import Policy
from edgekit.pipeline.parts import Sample
from edgekit.pipeline.runner import PipelineRunner
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.runtime.engine import TensorInfo
from edgekit.runtime.fake import FakeEngine
from edgekit.runtime.session import Session

_RULE = PictureRule(height=224, width=224)
_CHILD = (sys.executable, "-m", "tools.bench.capture_camera")
_WORK_S = 0.06
_OVERLOAD = 3.1
"""Not a whole number, so that the camera and the model fall into no common step."""
_ROUNDS, _ROUND_S = 4, 6.0
_FRAMES, _RATE_HZ = 400, 100.0


@click.command()
def main() -> None:
    """Measures, and prints Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        ages(_bundle(Path(folder) / "bundle"))
    cost()


def ages(bundle: Bundle) -> None:
    """The age of what was predicted, three times overloaded beside hardly loaded."""
    free_hz, loaded_hz = 0.25 / _WORK_S, _OVERLOAD / _WORK_S
    runs: dict[str, list[float]] = {"free": [], "newest": [], "every": []}
    skipped = 0
    for _ in range(_ROUNDS):  # interleaved, so that the machine's moods meet all alike
        runs["free"] += _run(bundle, free_hz, "newest")[0]
        fresh, lost = _run(bundle, loaded_hz, "newest")
        runs["newest"] += fresh
        skipped += lost
        runs["every"] += _run(bundle, loaded_hz, "every")[0]
    click.echo("\n### Age of pictures under load\n")
    click.echo("| three times more pictures than the model can take | p50 | p95 |")
    click.echo("| --- | ---: | ---: |")
    for policy in ("newest", "every"):
        shares = [np.quantile(runs[policy], q) / np.quantile(runs["free"], q) for q in (0.5, 0.95)]
        click.echo(
            f"| age at the prediction / its value at a quarter of the load, `{policy}` "
            f"| {shares[0]:.2f} | {shares[1]:.2f} |"
        )
    share = skipped / (skipped + len(runs["newest"]))
    click.echo(f"| share of pictures skipped and counted, `newest` | {share:.2f} | |")


def cost() -> None:
    """The processor time that a picture costs the daemon, until it is given back."""
    settings = CameraSettings(fps=_RATE_HZ)
    picture = np.zeros((_RULE.height, _RULE.width, 3), np.uint8)
    with CaptureSource(settings, rule=_RULE, command=_CHILD) as source:
        items = source.items()
        for item in islice(items, 20):
            assert isinstance(item, Sample)
            item.release()
        spent = {"frame": 0.0, "copy": 0.0}
        for _ in range(_FRAMES):
            started = time.thread_time()
            item = next(items)
            assert isinstance(item, Sample)
            item.release()
            between = time.thread_time()
            picture.copy()
            spent["copy"] += time.thread_time() - between
            spent["frame"] += between - started
    click.echo("\n### Cost of capture in the daemon's own process\n")
    click.echo("| figure | value |\n| --- | ---: |")
    click.echo(
        f"| processor time of taking a picture and giving it back / of copying one of "
        f"{_RULE.width} x {_RULE.height} | {spent['frame'] / spent['copy']:.1f} |"
    )
    share = spent["frame"] / _FRAMES * _RATE_HZ
    click.echo(f"| share of a core at {_RATE_HZ:g} pictures a second | {share:.2%} |")


def _run(bundle: Bundle, rate_hz: float, policy: Policy) -> tuple[list[float], int]:
    def answer(tensor: Array) -> dict[str, Array]:
        _work()
        return {"score": np.zeros(1, np.float32)}

    engine = FakeEngine(answer, inputs=[TensorInfo("image", "uint8", _RULE.tensor_shape())])
    engine.outputs = [TensorInfo("score", "float32", (1,))]
    source = CaptureSource(CameraSettings(fps=rate_hz), rule=_RULE, command=_CHILD)
    runner = PipelineRunner(
        "bench",
        source=source,
        session=Session(bundle, engine),
        sinks=[MemorySink()],
        boot="b",
        policy=policy,
    )
    threading.Timer(_ROUND_S, runner.stop).start()
    runner.run()
    return runner.latencies_ms()[3:], runner.counts.skipped + source.skipped


def _work() -> None:
    """Work for one core that lasts as long on any machine, and holds no lock for long."""
    until_s = time.perf_counter() + _WORK_S
    while time.perf_counter() < until_s:
        hashlib.pbkdf2_hmac("sha256", b"picture", b"model", 500)


def _bundle(out: Path) -> Bundle:
    """A bundle that no engine reads, for a model of pictures."""
    manifest = Manifest(
        schema=1,
        name="bench",
        version="1.0.0",
        task="anomaly",
        input=InputSpec(name="image", dtype="uint8", shape=_RULE.tensor_shape(), picture=_RULE),
        output=OutputSpec(name="score", kind="score"),
        models={"onnxruntime": "model.onnx"},
        files={},
        golden="golden.npz",
        thresholds=Thresholds(anomaly=10.0),
    )
    return write_bundle(out, manifest, files={"model.onnx": b"none", "golden.npz": b"none"})


if __name__ == "__main__":
    main()
