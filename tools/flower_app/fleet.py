"""A Flower fleet of one's own: a SuperLink and SuperNodes on loopback, gone when its block ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import Unavailable
from tools.flower_app.counting_proxy import CountingProxy

APP = Path(__file__).parents[2] / "docs/examples/flower"
"""The example app: edgekit's rounds."""

Value = str | int | float

_START_S = 60.0
_STOP_S = 10.0


class PrivateFleet:
    """Runs Flower's processes with this Python, without TLS and telemetry.

    Attributes:
        port: where the SuperLink listens.
        nodes: the SuperNodes' processes, in the order of their configurations; each leads a group.
    """

    def __init__(
        self,
        folder: Path,
        boards: Sequence[Mapping[str, Value]],
        *,
        proxy: CountingProxy | None = None,
    ) -> None:
        """Chooses ports; nothing runs yet.

        Args:
            folder: for Flower's files and logs; made if it is not there.
            boards: each SuperNode's configuration.
            proxy: by which SuperNodes reach the SuperLink.
        """
        self.port = _free_port()
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._folder, self._boards, self._proxy = folder, boards, proxy
        self._link: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        home = self._folder / "flower"
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.toml").write_text(
            '[superlink]\ndefault = "private"\n[superlink.private]\n'
            f'address = "127.0.0.1:{self.port}"\ninsecure = true\n',
            encoding="utf-8",
        )
        try:
            self._link = self._start(
                "flower-superlink",
                *("--insecure", "--disable-runtime-dependency-installation"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
            )
            self._await_link()
            if self._proxy is not None:
                self._proxy.towards(self.port)
            for number, board in enumerate(self._boards):
                self.nodes.append(self._node(number, board))
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def run(self, config: Mapping[str, Value], *, timeout_s: float, app: Path = APP) -> str:
        """Runs an app to its end; what it printed.

        Raises:
            Unavailable: it failed or did not end in time.
        """
        written = " ".join(f"{key}={_toml(value)}" for key, value in config.items())
        command = [_program("flwr"), "run", str(app), "private", "--run-config", written]
        try:
            done = subprocess.run(
                [*command, "--stream"],
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"the app still runs after {timeout_s:g} s\n{self.logs()}") from error
        said = done.stdout + done.stderr
        if done.returncode:
            raise Unavailable(f"the app did not start:\n{said}\n{self.logs()}")
        status, why = self._ended()
        if status != "finished:completed":
            raise Unavailable(f"the app ended as {status}: {why}\n{self.logs()}")
        return said

    def _ended(self) -> tuple[str, str]:
        """How the last run ended, and why: `flwr run` does not tell."""
        done = subprocess.run(
            [_program("flwr"), "list", "private", "--limit", "1", "--format", "json"],
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=_START_S,
            check=True,
        )
        run = json.loads(done.stdout)["runs"][0]
        return str(run["status"]), str(run["status-details"])

    def logs(self) -> str:
        """The end of what each process wrote."""
        found = sorted(self._folder.glob("*.log"))
        return "\n".join(
            f"{path.name}:\n{path.read_text(errors='replace')[-3000:]}" for path in found
        )

    def _node(self, number: int, board: Mapping[str, Value]) -> subprocess.Popen[bytes]:
        config = " ".join(f"{key}={_toml(value)}" for key, value in board.items())
        port = self._proxy.port if self._proxy else self.port
        return self._start(
            "flower-supernode",
            *("--insecure", "--superlink", f"127.0.0.1:{port}"),
            *("--host", "127.0.0.1", "--port", str(_free_port())),
            *("--node-config", config),
            log=f"node{number}",
        )

    def _start(self, name: str, *arguments: str, log: str | None = None) -> subprocess.Popen[bytes]:
        with (self._folder / f"{log or name}.log").open("wb") as file:
            return subprocess.Popen(
                [_program(name), *arguments],
                env=self._environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def _await_link(self) -> None:
        assert self._link is not None
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._link.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=1).close()
                return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            time.sleep(0.1)
        raise Unavailable(f"flower-superlink does not come up:\n{self.logs()}")

    def _environment(self) -> dict[str, str]:
        programs = str(Path(sys.executable).parent)
        return {
            **os.environ,
            "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]),
            "FLWR_HOME": str(self._folder / "flower"),
            "FLWR_TELEMETRY_ENABLED": "0",
            "FLWR_DISABLE_UPDATE_CHECK": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def _stop(self) -> None:
        """Ends each process and what it started, boards first."""
        processes = [*self.nodes, *([self._link] if self._link else [])]
        for process in processes:
            _signal(process, signal.SIGTERM)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_STOP_S)
            _signal(process, signal.SIGKILL)
            process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _toml(value: Value) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
