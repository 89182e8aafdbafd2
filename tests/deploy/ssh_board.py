"""A board behind a private ssh server: a folder, the real daemon, and real bundles `mean`."""

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edgekit import __version__
from edgekit.bundle import Bundle
from edgekit.deploy.ssh.board import Board, find_board
from edgekit.deploy.ssh.bootstrap import Installation
from edgekit.deploy.ssh.connection import Connection, Destination
from edgekit.deploy.ssh.deployment import Deployed, deploy
from edgekit.deploy.ssh.layout import Layout, layout_of
from edgekit.deploy.ssh.signing import private_signer
from edgekit.messaging.payloads import DeployStatus
from tests.deploy.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]
SITE = next(path for path in sys.path if path.endswith("site-packages"))
_ROWS = 100_000
_CANARY = "window_s = 0.3, deadline_s = 30, min_samples = 2, max_latency_ratio = 1000"
_CALL = (
    "import sys; import edgekit.cli as cli\n"
    "for name in ('deploy', 'status', 'rollback', 'logs', 'uninstall'):\n"
    "    cli.COMMANDS.setdefault(name, f'edgekit.cli.{name}:{name}')\n"
    "cli.main()"
)


@dataclass
class Told:
    """Remembers what a deploy said of itself."""

    steps: list[str] = field(default_factory=list)
    statuses: list[DeployStatus] = field(default_factory=list)
    sent: list[tuple[int, int]] = field(default_factory=list)

    def step(self, text: str) -> None:
        self.steps.append(text)

    def sending(self, what: str, done: int, total: int) -> None:
        self.sent.append((done, total))

    def status(self, status: DeployStatus) -> None:
        self.statuses.append(status)

    @property
    def phases(self) -> list[str]:
        return [status.phase for status in self.statuses]


@dataclass
class SshBoard:
    """A board below a folder of its own, without systemd.

    Attributes:
        server: its ssh server.
        prefix: where all of edgekit lies there.
        home: the workstation's state folder.
    """

    server: Sshd
    prefix: Path
    home: Path

    @property
    def layout(self) -> Layout:
        return layout_of("process", str(self.prefix))

    @property
    def destination(self) -> Destination:
        return Destination(self.server.destination, config=self.server.config)

    @property
    def state(self) -> Path:
        return self.prefix / "state"

    @property
    def repositories(self) -> Path:
        """Where the workstation keeps its private ones."""
        return self.home / "edgekit" / "boards"

    @property
    def pid(self) -> int:
        """Of the daemon."""
        return int((self.prefix / "run" / "edgekitd.pid").read_text())

    @contextmanager
    def connected(self) -> Iterator[Board]:
        with Connection(self.destination) as connection:
            yield find_board(connection, self.layout)

    def deploy(
        self, bundle: Bundle, told: Told | None = None, *, installation: Installation | None = None
    ) -> Deployed:
        """Deploys a bundle from this process."""
        with self.connected() as board:
            return deploy(
                board,
                bundle,
                lambda trusted: private_signer("board", trusted=trusted, home=self.repositories),
                progress=told or Told(),
                installation=installation,
                deadline_s=60,
            )

    def words(self, name: str, *arguments: object) -> list[str]:
        """A command for this board; `{}` stands for its name."""
        where = ["--ssh-config", self.server.config, "--service", "process", "--prefix"]
        given = [self.server.destination if each == "{}" else each for each in arguments]
        return [sys.executable, "-c", _CALL, name, *map(str, [*where, self.prefix, *given])]

    @property
    def environ(self) -> dict[str, str]:
        """Of commands."""
        return {**os.environ, "XDG_STATE_HOME": str(self.home), "COLUMNS": "200"}

    def run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        return subprocess.run(
            self.words(name, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self.environ,
            stdin=subprocess.DEVNULL,
        )

    def settings(self, bundle: Path) -> str:
        """An edgekit.toml whose source gives fifty rows a second for a long time."""
        rows = self.prefix.parent / "rows.csv"
        rows.write_text("a,b\n" + "1,1\n" * _ROWS)
        return (
            f'state = "{self.state}"\n'
            f'[pipelines.pump]\nbundle = "{bundle}"\n'
            f'source = {{ kind = "csv", path = "{rows}", interval_s = 0.02 }}\n'
            f'sinks = [{{ kind = "jsonl", path = "{self.prefix.parent}/out.jsonl" }}]\n'
            f'[updates]\nrepository = "{self.state}/repository"\n'
            f'root = "{self.prefix}/etc/root.json"\ncanary = {{ {_CANARY} }}\n'
        )

    def furnish(self, shipped: Path) -> None:
        """Puts edgekit, settings and a bundle there, as if by hand."""
        for name, module in (("python", ""), ("edgekitd", " -m edgekit.daemon.main")):
            path = self.prefix / "venv" / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
            path.chmod(0o755)
        config = self.prefix / "etc" / "edgekit.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(self.settings(shipped))

    def stop(self) -> None:
        """Ends the daemon, if it runs."""
        with suppress(OSError, ValueError):
            os.kill(self.pid, signal.SIGKILL)


def stand_in_wheels(folder: Path, more: Sequence[str] = ()) -> Path:
    """A wheel that is called edgekit and leads to this very tree, so that pip has little to do."""
    info = f"edgekit-{__version__}.dist-info"
    files = {
        "edgekit_here.pth": f"{SITE}\n{ROOT}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edgekit\nVersion: {__version__}\n"
        + "".join(f"Requires-Dist: {name}\n" for name in more),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: edgekit\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedgekitd = edgekit.daemon.main:main\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"edgekit-{__version__}-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{n},,\n" for n in [*files, f"{info}/RECORD"]))
    return folder
