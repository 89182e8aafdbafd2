"""A board behind a private ssh server: a folder, the real daemon, and real bundles `mean`."""

import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgekit import __version__
from edgekit.bundle import Bundle
from tests.deploy.sshd import Sshd
from tools.crash_points.making import tiny_bundle

ROOT = Path(__file__).resolve().parents[2]
SITE = next(path for path in sys.path if path.endswith("site-packages"))
_ROWS = 100_000
_CALL = (
    "import sys; import edgekit.cli as cli\n"
    "for name in ('deploy', 'status', 'rollback', 'logs', 'uninstall'):\n"
    "    cli.COMMANDS.setdefault(name, f'edgekit.cli.{name}:{name}')\n"
    "cli.main()"
)


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
    def environ(self) -> dict[str, str]:
        """Of the commands on the workstation."""
        return {**os.environ, "XDG_STATE_HOME": str(self.home), "COLUMNS": "200"}

    def words(self, name: str, *arguments: object) -> list[str]:
        """A command for this board."""
        where = ["--ssh-config", self.server.config, "--service", "process", "--prefix"]
        words = [*where, self.prefix, *arguments]
        return [sys.executable, "-c", _CALL, name, *map(str, words)]

    def run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end; the board's name is added."""
        return subprocess.run(
            self.words(name, *arguments, self.server.destination)
            if name != "deploy"
            else self.words(name, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self.environ,
            stdin=subprocess.DEVNULL,
        )

    def deploy(self, bundle: Bundle, *more: object) -> subprocess.CompletedProcess[str]:
        """Deploys a bundle."""
        return self.run("deploy", bundle.path, self.server.destination, *more)

    def settings(self, bundle: Path, *, with_updates: bool = True) -> str:
        """An edgekit.toml whose source gives fifty rows a second for a long time."""
        rows = self.prefix.parent / "rows.csv"
        rows.write_text("a,b\n" + "1,1\n" * _ROWS)
        text = (
            f'state = "{self.prefix}/state"\n'
            f'[pipelines.pump]\nbundle = "{bundle}"\n'
            f'source = {{ kind = "csv", path = "{rows}", interval_s = 0.02 }}\n'
            f'sinks = [{{ kind = "jsonl", path = "{self.prefix.parent}/out.jsonl" }}]\n'
        )
        canary = "window_s = 0.5, deadline_s = 30, min_samples = 2, max_latency_ratio = 1000"
        if with_updates:
            text += (
                f'[updates]\nrepository = "{self.prefix}/state/repository"\n'
                f'root = "{self.prefix}/etc/root.json"\ncanary = {{ {canary} }}\n'
            )
        return text

    def furnish(self, shipped: Bundle) -> None:
        """Puts edgekit, settings and a bundle there, as if by hand."""
        for name, module in (("python", ""), ("edgekitd", " -m edgekit.daemon.main")):
            path = self.prefix / "venv" / "bin" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f'#!/bin/sh\nexec {sys.executable}{module} "$@"\n')
            path.chmod(0o755)
        config = self.prefix / "etc" / "edgekit.toml"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(self.settings(shipped.path))

    def stop(self) -> None:
        """Ends the daemon, if it runs."""
        self.run("uninstall", "--yes")


def bundles(folder: Path) -> dict[str, Bundle]:
    """Bundles `mean` by version: 1.1.0 is like 1.0.0, and 1.2.0 is far off."""
    gains = {"1.0.0": 1.0, "1.1.0": 1.1, "1.2.0": 3.0, "1.3.0": 1.05}
    return {
        version: tiny_bundle(folder / version, version, gain=gain)
        for version, gain in gains.items()
    }


def stand_in_wheel(folder: Path) -> Path:
    """A wheel that is called edgekit and leads to this very tree, so that pip has little to do."""
    info = f"edgekit-{__version__}.dist-info"
    files = {
        "edgekit_here.pth": f"{SITE}\n{ROOT}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: edgekit\nVersion: {__version__}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: edgekit\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\nedgekitd = edgekit.daemon.main:main\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"edgekit-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
        record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
        wheel.writestr(f"{info}/RECORD", record)
    return folder
