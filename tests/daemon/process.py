"""edgekitd as a process of its own, for tests that look at it from outside."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.broker import BOARD, PASSWORD
from tests.samples import window_bundle
from tools.private_broker import PrivateBroker

PATIENCE_S = 60.0


def settings(tmp_path: Path, rest: str, broker: PrivateBroker | None = None) -> Path:
    """Writes an edgekit.toml for fleet `test` and board `board`."""
    head = ""
    if broker is not None:
        (tmp_path / "password").write_text(PASSWORD + "\n")
        head = (
            f'[mqtt]\nhost = "localhost"\nport = {broker.port}\nca = "{broker.ca}"\n'
            f'username = "{BOARD}"\npassword_file = "password"\n'
        )
    path = tmp_path / "edgekit.toml"
    path.write_text(f'{rest}\n[device]\nfleet = "test"\nname = "board"\n{head}')
    return path


def rows(tmp_path: Path, text: str | None = None, *, sink: str | None = None) -> str:
    """A pipeline `pump` over a file of rows, each window of which is anomalous."""
    if not (tmp_path / "mean").exists():
        window_bundle(tmp_path / "mean")
    (tmp_path / "rows.csv").write_text(text or "a,b\n" + "20,20\n" * 40)
    sink = sink or 'kind = "jsonl", path = "out.jsonl"'
    return (
        '[pipelines.pump]\nbundle = "mean"\nsource = { kind = "csv", path = "rows.csv" }\n'
        f"sinks = [{{ {sink} }}]\n"
    )


def lines(path: Path) -> list[Any]:
    """The documents of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def until(holds: Callable[[], bool], what: str) -> None:
    """Waits for something outside this process; fails the test where it never comes."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} never came")
        threading.Event().wait(0.02)


def command(config: Path) -> list[str]:
    """How the daemon is started."""
    return [sys.executable, "-m", "edgekit.daemon.main", "--config", str(config)]


def run(config: Path) -> subprocess.CompletedProcess[str]:
    """Runs the daemon until it ends by itself."""
    return subprocess.run(command(config), capture_output=True, text=True, timeout=60, check=False)


class Daemon:
    """A daemon that runs, and the lines it has logged."""

    def __init__(self, config: Path, environ: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command(config), stderr=subprocess.PIPE, text=True, env={**os.environ, **environ}
        )
        self.log: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def children(self) -> list[psutil.Process]:
        """Its capture processes."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def says(self, text: str) -> str:
        """Waits for a line with the text; gives the line."""
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_S)
            except queue.Empty:
                line = None
            if line is None:
                pytest.fail(f"{text!r} was never logged:\n" + "\n".join(self.log[-20:]))
            if text in line:
                return line

    def reload(self) -> None:
        """Has it follow its settings again."""
        self.process.send_signal(signal.SIGHUP)

    def end(self) -> int:
        """Stops it as systemd would; gives its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """Ends it without a word, and waits until it is gone."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line.rstrip())
            self._lines.put(line.rstrip())
        self._lines.put(None)


@contextmanager
def started(config: Path, **environ: str) -> Iterator[Daemon]:
    """The daemon, once it says that it runs; killed at the end where it still does."""
    daemon = Daemon(config, environ)
    try:
        daemon.says("running:")
        yield daemon
    finally:
        daemon.kill()
