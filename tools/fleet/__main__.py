"""Rolls a bad and a good bundle out to a simulated fleet, with restarts midway, and counts."""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import psutil

from tools.fleet.board import CountingSource
from tools.fleet.crowd import Crowd
from tools.fleet.place import FLEET, Place, WebServer, make_place
from tools.tuned_broker import TunedBroker

SHIPPED, BAD, GOOD = "1.0.0", "1.1.0", "1.2.0"
_MOST_FILES = 65_536


@dataclass
class Watched:
    """A rollout that another process carries on.

    Attributes:
        committed: how many boards have committed so far.
        summary: the last thing it said.
        code: its exit code.
        took_s: from its start to its end.
        cpu_s: of its process.
    """

    committed: int = 0
    summary: dict[str, Any] = field(default_factory=dict)
    code: int = -1
    took_s: float = 0.0
    cpu_s: float = 0.0


@dataclass
class Scene:
    """A fleet and all around it."""

    place: Place
    broker: TunedBroker
    web: WebServer
    crowd: Crowd
    source: CountingSource
    broker_cpu_s: float = 0.0

    def restart_broker(self) -> None:
        """Ends the broker as an administrator would, and starts it again."""
        self.broker_cpu_s += _cpu_s(self.broker.pid)
        self.broker.stop_cleanly()
        time.sleep(1)
        self.broker.start()

    def restart_web(self) -> None:
        """Kills the web server, and starts it again."""
        self.web.stop()
        time.sleep(1)
        self.web.start()

    def cli(self, *arguments: str) -> list[str]:
        """A command of `edgekit rollout`."""
        code = "from edgekit.cli import main; main()"
        where = ["--broker", self.broker.host, "--port", str(self.broker.port)]
        where += ["--state", str(self.place.folder / "rollouts.db"), "--fleet", FLEET, "--json"]
        return [sys.executable, "-c", code, "rollout", *arguments, *where]

    def roll_out(
        self, version: str, events: Sequence[tuple[int, Callable[[], None]]] = (), *more: str
    ) -> Watched:
        """Rolls a version out, and has things happen after so many commits."""
        watched, waiting, began = Watched(), list(events), time.monotonic()
        command = self.cli(
            *("start", str(self.place.bundles[version].path), "--pause", "1s"),
            *("--repository", str(self.place.repository), "--keys", str(self.place.keys)),
            *("--passphrase-file", str(self.place.folder / "passphrase"), "--deadline", "5m"),
            *more,
        )
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                said = json.loads(line)
                watched.summary = said.get("summary", {})
                watched.committed += said.get("what") == "committed"
                with suppress(psutil.Error):
                    watched.cpu_s = _cpu_s(process.pid)
                if said.get("board") is None and "what" in said:
                    click.echo(f"  {time.monotonic() - began:6.1f} s  {said['what']}")
                while waiting and watched.committed >= waiting[0][0]:
                    _, happen = waiting.pop(0)
                    click.echo(f"  {time.monotonic() - began:6.1f} s  {happen.__name__}")
                    happen()
            watched.code = process.wait()
        watched.took_s = time.monotonic() - began
        return watched


def failing(names: Sequence[str], share: float, seed: int = 1) -> frozenset[str]:
    """The boards that fail the bad version's canary."""
    return frozenset(random.Random(seed).sample(sorted(names), round(share * len(names))))


@click.command()
@click.option("--boards", "count", type=click.IntRange(2), default=1000, show_default=True)
@click.option("--bad", type=click.FloatRange(0, 1), default=0.02, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where boards' disks lie.")
@click.option("--restarts/--no-restarts", default=True, help="Broker and web server, midway.")
def main(count: int, bad: float, workers: int, folder: Path | None, restarts: bool) -> None:
    """Simulate a fleet: a rollout that has to be stopped, and one that reaches every board."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MOST_FILES), hard))
    names = [f"b{number:05}" for number in range(count)]
    broken = failing(names, bad)
    with tempfile.TemporaryDirectory(dir=folder) as made, TunedBroker(persistent=True) as broker:
        place = make_place(Path(made), [SHIPPED, BAD, GOOD])
        with (
            WebServer(place.repository) as web,
            place.crowd(
                names,
                broker,
                web.address,
                fails=lambda board, version: version == BAD and board in broken,
                labels=lambda board: {"site": "north" if int(board[1:]) % 2 else "south"},
                workers=workers,
            ) as (crowd, source),
        ):
            if not crowd.wait_online(count, 120):
                raise click.ClickException("the boards did not connect")
            scene = Scene(place, broker, web, crowd, source)
            click.echo(f"{count} boards online")
            _stopped(scene, len(broken))
            _finished(scene, count, restarts=restarts)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    click.echo(f"peak memory of all boards together: {peak_mb:.0f} MB")


def _stopped(scene: Scene, broken: int) -> None:
    click.echo(f"{BAD}, which {broken} boards fail; at most 1 % may:")
    found = scene.roll_out(BAD, (), "--max-errors", "0.01")
    click.echo(f"  {_told(found)}")
    if found.code != 8 or found.summary["state"] != "stopped":
        raise click.ClickException("the bad bundle was not stopped")
    rollout = found.summary["rollout"]
    done = subprocess.run(
        scene.cli("abort", rollout, "--revert"), capture_output=True, text=True, check=False
    )
    last = json.loads(done.stdout.splitlines()[-1])["summary"]
    click.echo(f"  aborted: {last['reverted']} boards went back, {last['committed']} did not")


def _finished(scene: Scene, count: int, *, restarts: bool) -> None:
    click.echo(f"{GOOD}, which no board fails:")
    events = [(count * 3 // 10, scene.restart_broker), (count * 6 // 10, scene.restart_web)]
    before = scene.crowd.sent, scene.crowd.received, scene.crowd.count_bytes
    fetched = scene.source.requests, scene.source.count_bytes
    scene.broker_cpu_s = -_cpu_s(scene.broker.pid)
    found = scene.roll_out(GOOD, events if restarts else (), "--waves", "1%,10%,100%")
    scene.broker_cpu_s += _cpu_s(scene.broker.pid)
    click.echo(f"  {_told(found)}")
    if found.code != 0 or found.summary["committed"] != count:
        raise click.ClickException("the good bundle did not reach every board")
    assert all(board.running == GOOD for board in scene.crowd.boards.values())
    sent, received = scene.crowd.sent - before[0], scene.crowd.received - before[1]
    payloads = scene.crowd.count_bytes - before[2]
    files = scene.source.requests - fetched[0]
    kilobytes = (scene.source.count_bytes - fetched[1]) / 1000
    click.echo(
        f"  {count / found.took_s:.1f} boards/s; boards sent {sent} messages and got {received}, "
        f"{payloads / count:.0f} bytes of payload a board; {files / count:.1f} files and "
        f"{kilobytes / count:.1f} kB a board over HTTP"
    )
    for what, cpu_s in (("coordinator", found.cpu_s), ("broker", scene.broker_cpu_s)):
        if cpu_s > 0:
            click.echo(
                f"  {what}: {cpu_s:.1f} s of CPU, so that one core carries "
                f"{count / cpu_s:.0f} boards/s"
            )


def _told(found: Watched) -> str:
    summary = found.summary
    reasons = "; ".join(f"{each['count']}x {each['example']}" for each in summary["reasons"])
    return (
        f"{summary['state']} in wave {summary['wave']} after {found.took_s:.1f} s: "
        f"{summary['committed']} committed, {summary['busy']} busy, {summary['failed']} failed"
        f"{': ' if reasons else ''}{reasons}"
    )


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
