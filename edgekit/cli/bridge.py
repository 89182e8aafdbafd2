"""`edgekit bridge`: look at the line to a microcontroller, or make believe that there is one."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekit.bridge.monitor import Seen

_PORT = click.argument("port")
_BAUD = click.option("--baud", type=click.IntRange(1200), default=115_200, show_default=True)
_REDRAW_S = 0.1


@click.group(short_help="Look at the line to a microcontroller, or simulate one.")
def bridge() -> None:
    """Look at the line to a microcontroller, or simulate one for people without."""


@bridge.command(short_help="Show live what a microcontroller says, and what is damaged.")
@_PORT
@_BAUD
@click.option("--json", "as_json", is_flag=True, help="Print a JSON document a packet.")
@click.option("--count", type=click.IntRange(1), help="End after so many packets.")
@click.option("--for", "for_s", type=click.FloatRange(0, min_open=True), help="End after SECONDS.")
@click.option("--listen", is_flag=True, help="Say nothing: for a second wire on the line.")
def monitor(
    port: str, baud: int, as_json: bool, count: int | None, for_s: float | None, listen: bool
) -> None:
    """Show live what the microcontroller at PORT says.

    PORT is a path, a pattern such as '/dev/serial/by-id/*', socket://HOST:PORT or unix:PATH. The
    daemon must not have it open meanwhile. In a terminal the newest packets stand above the counts
    of the link; elsewhere each packet is a line. Ctrl-C ends it.
    """
    from edgekit.bridge.monitor import Monitor
    from edgekit.bridge.pipe import open_port

    show = _Json() if as_json else _Screen(port) if sys.stdout.isatty() else _Lines()
    deadline = None if for_s is None else time.monotonic() + for_s
    shown = 0
    watcher = Monitor(baud=baud, speaks=not listen)
    pipe = open_port(port, baud=baud)
    try:
        while count is None or shown < count:
            now_ns = time.monotonic_ns()
            if deadline is not None and now_ns / 1e9 > deadline:
                break
            data = pipe.read(min(_REDRAW_S, watcher.wait_s(now_ns)))
            for seen in watcher.step(data, time.monotonic_ns()):
                show.packet(seen)
                shown += 1
                if shown == count:
                    break
            pipe.write(watcher.take())
            show.refresh(watcher)
    except KeyboardInterrupt:
        pass
    finally:
        pipe.close()
        show.end(watcher)


@bridge.command(short_help="Be a microcontroller, on a pseudo-terminal.")
@click.option(
    "--path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the port shall appear; in a temporary folder where left out.",
)
@click.option("--name", default="simulated", show_default=True, help="What it calls itself.")
@click.option("--rate", type=click.FloatRange(1, 20_000), default=400.0, show_default=True)
@click.option("--anomaly-every", type=click.FloatRange(0), default=0.0, help="SECONDS; 0: never.")
@click.option("--anomaly-for", type=click.FloatRange(0), default=2.0, show_default=True)
@click.option("--corrupt", type=click.FloatRange(0, 1), default=0.0, help="Chance a byte.")
@click.option("--drift", type=click.FloatRange(-500, 500), default=0.0, help="Of its clock, ppm.")
@click.option("--for", "for_s", type=click.FloatRange(0, min_open=True), help="End after SECONDS.")
def simulate(
    path: Path | None,
    name: str,
    rate: float,
    anomaly_every: float,
    anomaly_for: float,
    corrupt: float,
    drift: float,
    for_s: float | None,
) -> None:
    """Be a microcontroller with a vibration sensor, a thermometer and a model.

    Prints the path of its port, for `edgekit bridge monitor` or a pipeline's serial source. It
    follows the commands ping, anomaly, flood, corrupt, silence, unplug and reboot. Ctrl-C ends it.
    """
    import contextlib
    import dataclasses
    import random
    import tempfile

    from edgekit.bridge.libraries import need_libraries
    from edgekit.bridge.noise import Noise
    from edgekit.bridge.pty_port import PtyPort
    from edgekit.bridge.simulator import SENSORS, Simulated, Simulator

    need_libraries()
    vibration, warmth = SENSORS
    sensor = dataclasses.replace(vibration.sensor, period_ns=round(1e9 / rate))
    device = Simulator(
        (Simulated(sensor, vibration.signal), warmth),
        name=name,
        drift_ppm=drift,
        noise=Noise.of_all_kinds(corrupt, random.Random()),
    )
    with tempfile.TemporaryDirectory(prefix="edgekit-bridge-") as folder:
        port = path or Path(folder) / "port"
        with PtyPort(device, port) as running:
            click.echo(f"a simulated microcontroller is at {port}")
            with contextlib.suppress(KeyboardInterrupt):
                _make_trouble(running.simulator, anomaly_every, anomaly_for, for_s)


def _make_trouble(simulator: object, every_s: float, for_s: float, end_s: float | None) -> None:
    from edgekit.bridge.simulator import Simulator

    assert isinstance(simulator, Simulator)
    started = time.monotonic()
    due = started + every_s
    while end_s is None or time.monotonic() - started < end_s:
        time.sleep(0.05)
        if every_s and time.monotonic() >= due:
            due += every_s
            simulator.trouble("anomaly", for_s, time.monotonic_ns())
            click.echo(f"an anomaly for {for_s:g} s")


class _Lines:
    """A line a packet, and the counts at the end."""

    def packet(self, seen: "Seen") -> None:
        click.echo(seen.line())

    def refresh(self, watcher: object) -> None:
        sys.stdout.flush()

    def end(self, watcher: object) -> None:
        from edgekit.bridge.monitor import Monitor

        assert isinstance(watcher, Monitor)
        click.echo(watcher.summary(), err=True)


class _Json:
    """A JSON document a packet; the counts are the last."""

    def packet(self, seen: "Seen") -> None:
        import json

        click.echo(json.dumps(seen.document()))

    def refresh(self, watcher: object) -> None:
        sys.stdout.flush()

    def end(self, watcher: object) -> None:
        import json

        from edgekit.bridge.monitor import Monitor

        assert isinstance(watcher, Monitor)
        click.echo(json.dumps({"kind": "counts", **watcher.counts()}))


class _Screen:
    """The newest packets, and the counts below; plain control codes, for a board has no rich."""

    def __init__(self, port: str) -> None:
        from collections import deque

        self._port = port
        self._newest: deque[str] = deque(maxlen=200)
        self._drawn_s = 0.0

    def packet(self, seen: "Seen") -> None:
        self._newest.append(seen.line())

    def refresh(self, watcher: object) -> None:
        import shutil

        from edgekit.bridge.monitor import Monitor

        assert isinstance(watcher, Monitor)
        if time.monotonic() - self._drawn_s < _REDRAW_S:
            return
        self._drawn_s = time.monotonic()
        size = shutil.get_terminal_size()
        below = watcher.panel()
        room = max(1, size.lines - len(below) - 2)
        lines = [f"{self._port}", *list(self._newest)[-room:]]
        lines += [""] * (room + 1 - len(lines))
        text = "\n".join(line[: size.columns - 1] + "\x1b[K" for line in [*lines, *below])
        click.echo("\x1b[H" + text + "\x1b[J", nl=False)

    def end(self, watcher: object) -> None:
        click.echo()
