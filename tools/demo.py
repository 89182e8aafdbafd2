"""The main job in one go: three models, compressed, run by the daemon, heard by a subscriber.

Needs no network, no camera and no data but what ships with scikit-learn or is made with a seed.
"""

import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.array import Array
from edgekit.cli import show
from edgekit.compress import Compressed, Recipe, compress_trained, load_recipe
from edgekit.errors import EdgekitError
from edgekit.zoo.building import Built, build_model
from tools.private_broker import PrivateBroker

_MODELS = Path(__file__).resolve().parent.parent / "models"
_FAULTS = {"spike": (600, 606), "worn bearing": (1400, 1460), "stuck sensor": (2300, 2400)}
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Job:
    """One pipeline of the demo.

    Attributes:
        name: the pipeline's.
        made: its bundle and what compression found.
        source: the source's table in `edgekit.toml`.
        judged: what the answers that subscribers got were worth, in words.
    """

    name: str
    made: Compressed
    source: str
    judged: Callable[[list[dict[str, Any]]], str]


def main() -> None:
    """Runs the demo; leaves with 0 if every message arrived."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgekit-demo-") as folder:
            sys.exit(_run(Path(folder)))
    except EdgekitError as error:
        click.echo(f"demo: error: {error}", err=True)
        sys.exit(error.exit_code)


def _run(folder: Path) -> int:
    click.secho("1. Train and compress three models", bold=True)
    jobs = [_digits(folder), _machine(folder), _quantum(folder)]
    show.table(list(_compression_rows(jobs)), right=(1, 2, 3, 4), header=True)
    click.secho("\n2. Run them on edgekitd, and listen", bold=True)
    with PrivateBroker() as broker:
        click.echo(f"broker: {broker.note}, on {broker.host}:{broker.port}")
        version = "5" if broker.kind == "mosquitto" else "3.1.1"
        config = folder / "edgekit.toml"
        config.write_text(_settings(jobs, broker, version), encoding="utf-8")
        with _Subscriber(broker, version) as subscriber:
            code = subprocess.run(
                [sys.executable, "-m", "edgekit.daemon.main", "--config", str(config)], check=False
            ).returncode
            subscriber.wait_for_farewell()
            heard = subscriber.messages
    click.secho("\n3. What subscribers got", bold=True)
    rows = [("pipeline", "messages", "ms a sample", "seen")]
    for job in jobs:
        messages = heard.get(job.name, [])
        spent = [sum(message["ms"].values()) - message["ms"]["age"] for message in messages]
        median = f"{np.median(spent):.2f}" if spent else "-"
        rows.append((job.name, str(len(messages)), median, job.judged(messages)))
    show.table(rows, right=(1, 2), header=True)
    click.echo(f"\nedgekitd ended with exit code {code}")
    return code if all(heard.get(job.name) for job in jobs) else code or 1


def _digits(folder: Path) -> Job:
    built, made = _made("squeezenet_digits", folder)
    pictures, truth = folder / "digits", {}
    pictures.mkdir()
    targets = built.samples.targets
    assert targets is not None
    for number, (picture, digit) in enumerate(zip(built.samples.data, targets, strict=True)):
        file = f"digit-{number:04d}.png"
        cv2.imwrite(str(pictures / file), picture[:, :, ::-1])
        truth[file] = int(digit)

    def judged(messages: list[dict[str, Any]]) -> str:
        right = sum(message["top"][0]["id"] == truth[message["origin"]] for message in messages)
        return _share(right, len(messages), "digits read right")

    return Job("digits", made, f'{{ kind = "images", path = "{pictures}" }}', judged)


def _machine(folder: Path) -> Job:
    normal, live = folder / "normal.csv", folder / "live.csv"
    _write_csv(normal, ("vibration", "temperature"), _signal(6000, seed=1))
    signal = _signal(3000, seed=2)
    _break(signal)
    _write_csv(live, ("vibration", "temperature"), signal)
    _, made = _made("autoencoder", folder, data=normal)
    window = made.bundle.manifest.input.shape[1]

    def judged(messages: list[dict[str, Any]]) -> str:
        rows = [int(message["origin"].partition(":")[2]) - 2 for message in messages]
        alarms = [row for row, message in zip(rows, messages, strict=True) if message["anomalous"]]
        spans = [range(start, end + window) for start, end in _FAULTS.values()]

        def is_quiet(row: int) -> bool:
            return not any(row in span for span in spans)

        found = sum(any(row in span for row in alarms) for span in spans)
        false, quiet = sum(map(is_quiet, alarms)), sum(map(is_quiet, rows))
        return f"{found} of {len(spans)} faults found, {false} false alarms in {quiet} windows"

    return Job("machine", made, f'{{ kind = "csv", path = "{live}" }}', judged)


def _quantum(folder: Path) -> Job:
    rows = folder / "cells.csv"
    built, made = _made("quantum_kernel", folder)
    samples = built.samples
    rule = made.bundle.manifest.input.window
    assert rule is not None
    assert samples.targets is not None
    _write_csv(rows, rule.columns, np.stack(samples.data))
    truth = samples.targets

    def judged(messages: list[dict[str, Any]]) -> str:
        right = sum(
            message["top"][0]["id"] == truth[int(message["origin"].partition(":")[2]) - 2]
            for message in messages
        )
        rbf = built.trained.facts["RBF SVM accuracy, all features"]
        return f"{_share(right, len(messages), 'cells told apart')} (an RBF SVM: {rbf:.1%})"

    return Job("cells", made, f'{{ kind = "csv", path = "{rows}" }}', judged)


def _made(model: str, folder: Path, *, data: Path | None = None) -> tuple[Built, Compressed]:
    path = _MODELS / model / "recipe.toml"
    recipe: Recipe = load_recipe(path)
    if data is not None:  # the file that the demo writes is normal from end to end
        recipe.build["normal_share"] = 1.0
    bars = show.Bars()
    built = build_model(recipe, data, progress=bars, where=str(path))
    made = compress_trained(
        built.trained, built.samples, recipe, out=folder / f"{model}-bundle", progress=bars
    )
    return built, made


def _signal(count: int, *, seed: int) -> Array:
    """A machine's vibration and temperature, float64 `[count, 2]`."""
    rng = np.random.default_rng(seed)
    time = np.arange(count)
    vibration = np.sin(2 * np.pi * time / 16) + 0.4 * np.sin(2 * np.pi * time / 5.3 + 1)
    temperature = 60 + 3 * np.sin(2 * np.pi * time / 400)
    noise = rng.normal(0, 1, (count, 2)) * (0.12, 0.15)
    return np.stack([vibration, temperature], axis=1) + noise


def _break(signal: Array) -> None:
    """Puts the faults into a signal."""
    for fault, (start, end) in _FAULTS.items():
        match fault:
            case "spike":
                signal[start:end, 0] += 2.5
            case "worn bearing":
                signal[start:end, 0] += 0.9 * np.sin(2 * np.pi * np.arange(end - start) / 2.7)
            case "stuck sensor":
                signal[start:end, 0] = signal[start, 0]


def _write_csv(path: Path, columns: tuple[str, ...], rows: Array) -> None:
    lines = [",".join(columns), *(",".join(f"{value:.7g}" for value in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _share(part: int, whole: int, what: str) -> str:
    return f"{part / max(1, whole):.1%} of {what}"


def _compression_rows(jobs: list[Job]) -> Iterator[tuple[str, ...]]:
    yield ("model", "float", "artifact", "travels", "agreement")
    for job in jobs:
        report = job.made.report
        yield (
            report.name,
            f"{report.original.size_bytes / 1000:.1f} kB",
            f"{report.artifact.size_bytes / 1000:.1f} kB",
            f"{(report.archive_bytes or 0) / 1000:.1f} kB",
            f"{report.artifact.agreement or 0:.1%}",
        )


def _settings(jobs: list[Job], broker: PrivateBroker, version: str) -> str:
    head = f"""
[device]
fleet = "demo"
name = "workbench"

[mqtt]
host = "{broker.host}"
port = {broker.port}
max_queued = 10000
version = "{version}"
"""
    return head + "".join(
        f"""
[pipelines.{job.name}]
bundle = "{job.made.bundle.path}"
source = {job.source}
sinks = [{{ kind = "mqtt" }}]
"""
        for job in jobs
    )


class _Subscriber:
    """Keeps every prediction, by pipeline."""

    def __init__(self, broker: PrivateBroker, version: str) -> None:
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self._subscribed = threading.Event()
        self._offline = threading.Event()
        protocol = MQTTProtocolVersion.MQTTv5 if version == "5" else MQTTProtocolVersion.MQTTv311
        self._client = Client(CallbackAPIVersion.VERSION2, "demo-subscriber", protocol=protocol)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._keep
        self._client.connect(broker.host, broker.port)
        self._client.subscribe("edgekit/v1/demo/#", qos=1)

    def __enter__(self) -> "_Subscriber":
        self._client.loop_start()
        self._subscribed.wait(_PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for_farewell(self) -> None:
        """Waits until the daemon's offline status came: everything it sent came before."""
        self._offline.wait(_PATIENCE_S)

    def _keep(self, client: Client, data: object, message: MQTTMessage) -> None:
        document = json.loads(message.payload)
        *_, kind, last = message.topic.split("/")
        if kind == "infer":
            self.messages.setdefault(last, []).append(document)
        elif last == "status" and document["state"] == "offline":
            self._offline.set()


if __name__ == "__main__":
    main()
