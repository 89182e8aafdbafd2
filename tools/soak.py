"""Runs the daemon for an hour under harm, and plots what it costs and what it loses.

`.venv/bin/python -m tools.soak --bundle BUNDLE --video FILE --out DIR [--minutes 60]`

Every few minutes the broker is restarted, the camera's process killed or stopped, or the settings
reloaded. A subscriber with a persistent session counts what reaches it. Ends with 1 where an event
was lost, a pipeline did not come back, or memory grew by more than a tenth in the second half.
"""

import csv
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import psutil
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.daemon.usage import UsageMeter
from tools.soak_plot import Panel, plot
from tools.tuned_broker import TunedBroker

_EVERY_S = 10.0
_HARM_EVERY_S = 120.0
_SETTINGS = """
state = "state"
metrics_interval_s = 10
[device]
fleet = "soak"
name = "board"
[mqtt]
host = "127.0.0.1"
port = {port}
[pipelines.door]
bundle = "{bundle}"
source = {{ kind = "video", path = "{video}", realtime = true, loop = true, policy = "newest" }}
stages = [{{ kind = "rate", max_hz = 15 }}]
sinks = [{{ kind = "mqtt" }}]
"""


@dataclass(frozen=True)
class Moment:
    """What was seen at one time.

    Attributes:
        minute: since the start.
        own_mb: proportional set size of the daemon and its children, 10^6 bytes.
        cpu_percent: of one core.
        p50_ms: capture to prediction.
        p99_ms: the slowest hundredth.
        skipped: samples that newer ones replaced, so far.
        waiting: messages on the disk.
        received: predictions that reached the subscriber, so far.
    """

    minute: float
    own_mb: float
    cpu_percent: float
    p50_ms: float
    p99_ms: float
    skipped: int
    waiting: int
    received: int


class Subscriber:
    """Counts predictions by their ids; its session outlasts the broker's restarts."""

    def __init__(self, port: int) -> None:
        self.seen: defaultdict[str, set[int]] = defaultdict(set)
        self.metrics: Mapping[str, Any] = {}
        self.duplicates = 0
        self._client = Client(
            CallbackAPIVersion.VERSION2, "soak-subscriber", protocol=MQTTProtocolVersion.MQTTv5
        )
        keeps = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        keeps.SessionExpiryInterval = 86_400
        self._client.on_connect = self._subscribe
        self._client.on_message = lambda _client, _data, message: self._take(
            message.topic, bytes(message.payload)
        )
        self._client.reconnect_delay_set(1, 2)
        self._client.connect("127.0.0.1", port, clean_start=False, properties=keeps)
        self._client.loop_start()

    @property
    def received(self) -> int:
        """Predictions so far, each once."""
        return sum(map(len, self.seen.values()))

    @property
    def lost(self) -> int:
        """Numbers missing below the highest of each boot."""
        return sum(max(seen) + 1 - len(seen) for seen in self.seen.values() if seen)

    def close(self) -> None:
        """Stops listening."""
        self._client.disconnect()
        self._client.loop_stop()

    def _subscribe(self, client: Client, *_: object) -> None:
        client.subscribe("edgekit/v1/soak/#", qos=1)

    def _take(self, topic: str, payload: bytes) -> None:
        if "/infer/" in topic:
            message = json.loads(payload)
            seen = self.seen[message["boot"]]
            self.duplicates += message["seq"] in seen
            seen.add(message["seq"])
        elif topic.endswith("/metrics"):
            self.metrics = json.loads(payload)


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--video", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--minutes", type=float, default=60.0, show_default=True)
def main(bundle: Path, video: Path, out: Path, minutes: float) -> None:
    """Soaks a picture bundle on a video, and writes soak.csv, soak.svg and daemon.log."""
    out.mkdir(parents=True, exist_ok=True)
    with TunedBroker(persistent=True) as broker, (out / "daemon.log").open("w") as log:
        config = out / "edgekit.toml"
        config.write_text(
            _SETTINGS.format(port=broker.port, bundle=bundle.resolve(), video=video.resolve())
        )
        subscriber = Subscriber(broker.port)
        daemon = subprocess.Popen(
            [sys.executable, "-m", "edgekit.daemon.main", "--config", str(config)], stderr=log
        )
        moments: list[Moment] = []
        harms: list[tuple[float, str]] = []
        try:
            _watch(daemon, broker, subscriber, moments, harms, minutes)
        finally:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(30)
            time.sleep(2)  # what the broker still has for the subscriber
            subscriber.close()
    _write(out, moments, harms)
    sys.exit(_judged(moments, subscriber, harms))


def _watch(
    daemon: "subprocess.Popen[bytes]",
    broker: TunedBroker,
    subscriber: Subscriber,
    moments: list[Moment],
    harms: list[tuple[float, str]],
    minutes: float,
) -> None:
    meter, started = UsageMeter(daemon.pid), time.monotonic()
    meter.read()
    ways = itertools.cycle(("broker", "kill camera", "stop camera", "reload", "broker away"))
    next_harm_s, pause = _HARM_EVERY_S, threading.Event()
    with click.progressbar(length=round(minutes * 60), label="soaking", file=sys.stderr) as bar:
        while (passed_s := time.monotonic() - started) < minutes * 60:
            if daemon.poll() is not None:
                raise click.ClickException(f"the daemon ended with {daemon.returncode}")
            if passed_s >= next_harm_s and passed_s < minutes * 60 - _HARM_EVERY_S:
                harms.append((passed_s / 60, way := next(ways)))
                _harm(way, daemon, broker)
                next_harm_s += _HARM_EVERY_S
            pause.wait(_EVERY_S)
            moments.append(_moment(meter, subscriber, passed_s / 60))
            bar.update(round(_EVERY_S))


def _harm(way: str, daemon: "subprocess.Popen[bytes]", broker: TunedBroker) -> None:
    cameras = psutil.Process(daemon.pid).children(recursive=True)
    match way:
        case "broker" | "broker away":
            broker.stop_cleanly()
            time.sleep(20 if way == "broker away" else 0)
            broker.start()
        case "kill camera" | "stop camera":
            number = signal.SIGKILL if way == "kill camera" else signal.SIGSTOP
            for camera in cameras:
                os.kill(camera.pid, number)
        case "reload":
            daemon.send_signal(signal.SIGHUP)


def _moment(meter: UsageMeter, subscriber: Subscriber, minute: float) -> Moment:
    usage, told = meter.read(), subscriber.metrics
    pipeline = _part(_part(told, "pipelines"), "door")
    latency = _part(pipeline, "ms")
    return Moment(
        minute=round(minute, 2),
        own_mb=usage.memory_mb or 0.0,
        cpu_percent=usage.cpu_percent or 0.0,
        p50_ms=float(latency.get("p50", 0)),
        p99_ms=float(latency.get("p99", 0)),
        skipped=int(pipeline.get("skipped", 0)),
        waiting=int(_part(told, "outbox").get("waiting", 0)),
        received=subscriber.received,
    )


def _part(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = table.get(name)
    return part if isinstance(part, dict) else {}


def _write(out: Path, moments: Sequence[Moment], harms: Sequence[tuple[float, str]]) -> None:
    with (out / "soak.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(Moment)]
        writer.writerow(names)
        writer.writerows([getattr(moment, name) for name in names] for moment in moments)
    minutes = [moment.minute for moment in moments]

    def line(name: str) -> list[float]:
        return [float(getattr(moment, name)) for moment in moments]

    panels = [
        Panel("memory of daemon and camera, MB", {"PSS": line("own_mb")}),
        Panel("capture to prediction, ms", {"p50": line("p50_ms"), "p99": line("p99_ms")}),
        Panel("skipped samples, so far", {"skipped": line("skipped")}),
        Panel("messages on the disk", {"waiting": line("waiting")}),
        Panel("predictions received, so far", {"received": line("received")}),
    ]
    (out / "soak.svg").write_text(plot(minutes, panels, harms))


def _judged(
    moments: Sequence[Moment], subscriber: Subscriber, harms: Sequence[tuple[float, str]]
) -> int:
    memory = np.array([moment.own_mb for moment in moments])
    half, last = (
        np.median(memory[len(memory) // 2 : -len(memory) // 4]),
        np.median(memory[-len(memory) // 4 :]),
    )
    growth = float(last / half)
    progress = moments[-1].received > moments[-min(len(moments), 6)].received
    click.echo(f"| {len(harms)} harms in {moments[-1].minute:.0f} minutes | |\n| --- | --- |")
    click.echo(f"| predictions received, each once | {subscriber.received} |")
    click.echo(f"| lost | {subscriber.lost} |")
    click.echo(f"| came twice | {subscriber.duplicates} |")
    click.echo(f"| memory, last quarter / the one before | {growth:.3f} |")
    click.echo(f"| memory at the end | {last:.0f} MB |")
    click.echo(f"| still at work at the end | {'yes' if progress else 'no'} |")
    return int(subscriber.lost > 0 or growth > 1.1 or not progress)


if __name__ == "__main__":
    main()
