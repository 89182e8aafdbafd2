"""The workstation of the trial: signs versions, sets the emulated board up, pushes and hints."""

import json
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from edgekit.deploy.keys import KeyRing, make_keys
from edgekit.deploy.repository import Repository
from tools.board_vm.machine import Board, BoardFailed
from tools.crash_points.making import NAME, passphrase, tiny_bundle
from tools.power_cuts.looking import Report, read_report

_HERE = Path(__file__).parent
_PAYLOAD_BYTES = 3_000_000
"""Incompressible, so that a download and an unpacking take a while."""
_UPDATES = "/srv/updates"

_SETTINGS = f"""\
version = 2
[device]
fleet = "lab"
name = "board"
[pipelines.pump]
bundle = "/etc/edgekit/{NAME}"
source = {{ kind = "csv", path = "/run/feed/rows.csv", follow = true }}
sinks = [{{ kind = "jsonl", path = "/run/edgekit/pump.jsonl" }}]
[updates]
repository = "{_UPDATES}"
root = "/etc/edgekit/root.json"
canary = {{ window_s = 6, deadline_s = 120, min_samples = 5, max_latency_ratio = 1000 }}
"""

_FEED = """\
[Unit]
Description=gives rows for ever
Before=edgekitd.service
[Service]
RuntimeDirectory=feed
ExecStartPre=/bin/sh -c 'echo a,b >/run/feed/rows.csv'
ExecStart=/usr/bin/python3 /opt/lab/feed.py
[Install]
WantedBy=multi-user.target
"""

_FEED_PY = """\
import time
while True:
    with open("/run/feed/rows.csv", "a") as file:
        file.write("1,2\\n")
    time.sleep(0.1)
"""


class Lab:
    """Signs one version after another, and gets them onto the board."""

    def __init__(self, folder: Path, board: Board) -> None:
        """Makes keys and an empty repository.

        Args:
            folder: for all that is made.
            board: where it goes.
        """
        make_keys(folder / "keys", {}, passphrases=passphrase)
        self._keys = KeyRing([folder / "keys"], passphrase)
        self._folder = folder
        self._repository = Repository(folder / "repository")
        self._root = self._repository.create(self._keys)
        self._board = board
        self._pushed: dict[Path, int] = {}
        self._count = 0

    def set_up(self) -> None:
        """Gives the board, which is up, its settings and its first bundle, and starts it."""
        kit, lab = self._folder / "kit", self._folder / "lab"
        for path in (kit, lab):
            path.mkdir()
        (kit / "edgekit.toml").write_text(_SETTINGS)
        (kit / "root.json").write_bytes(self._root.read_bytes())
        tiny_bundle(kit / NAME, "1.0.0")
        (lab / "feed.py").write_text(_FEED_PY)
        (lab / "feed.service").write_text(_FEED)
        for name in ("on_board.sh", "watch.py"):
            (lab / name).write_bytes((_HERE / name).read_bytes())
        self._board.push(list(kit.iterdir()), "/etc/edgekit")
        self._board.push(list(lab.iterdir()), "/opt/lab")
        self._push_repository()
        self._board.run(
            "chmod -R a+rX /etc/edgekit/* /srv/updates && "
            "cp /opt/lab/feed.service /etc/systemd/system/ && systemctl daemon-reload && "
            "systemctl enable -q --now feed edgekitd; sync"
        )

    def publish(self) -> str:
        """Signs the next version and brings it to the board's repository; gives the version."""
        self._count += 1
        version = f"1.{self._count}.0"
        payload = np.random.default_rng(self._count).bytes(_PAYLOAD_BYTES)
        bundle = tiny_bundle(self._folder / "made" / version, version, note=payload)
        self._repository.add([bundle], self._keys)
        self._push_repository()
        return version

    def hint(self, version: str) -> None:
        """Leaves a hint on the board, as who comes over SSH does."""
        hint = json.dumps({"v": 1, "version": version, "action": "install"})
        self._board.run(
            "cd /var/lib/edgekit/updates/hints && cat >new && chown edgekit: new && sync new && "
            f"mv new {NAME}.json && sync .",
            stdin=hint.encode(),
        )

    def _push_repository(self) -> None:
        """What is new of it, each file by a rename, the timestamp last."""
        folder = self._repository.folder
        files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
        new = [path for path in files if self._pushed.get(path) != path.stat().st_mtime_ns]
        new.sort(key=lambda path: (path.parent.name != "targets", path.name == "timestamp.json"))
        names = [str(path.relative_to(folder)) for path in new]
        self._board.push([folder / name for name in names], f"{_UPDATES}/.incoming")
        moves = [f"mv .incoming/{Path(name).name} {name}" for name in names]
        folders = " ".join(sorted({str(Path(name).parent) for name in names}))
        steps = [f"cd {_UPDATES}", f"mkdir -p {folders}", "chmod 644 .incoming/*", *moves]
        self._board.run("\n".join(["set -e", *steps, "sync -f ."]))
        self._pushed.update({path: path.stat().st_mtime_ns for path in new})


class Watch:
    """Inside its `with` block, hears each step of an update while it happens."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._heard: list[tuple[str, str | None, str | None]] = []
        self._news = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = self._board.ssh_command("/usr/bin/python3 -I -S /opt/lab/watch.py")
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def last(self) -> tuple[str, str | None, str | None]:
        """The last step: phase, version, reason."""
        with self._news:
            return self._heard[-1] if self._heard else ("nothing", None, None)

    def has_heard(self, phase: str, version: str) -> bool:
        """Whether the board has told a step."""
        with self._news:
            return any(step[:2] == (phase, version) for step in self._heard)

    def wait(
        self, wanted: Callable[[str, str | None], bool], *, timeout_s: float
    ) -> tuple[str, str | None, str | None] | None:
        """Waits for a step that was not heard before this watch, or is the one now.

        Args:
            wanted: takes a phase and a version.
            timeout_s: after which it gives `None`.
        """
        deadline = time.monotonic() + timeout_s
        with self._news:
            start = 0
            while True:
                for step in self._heard[start:]:
                    if wanted(step[0], step[1]):
                        return step
                start = len(self._heard)
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    return None
                self._news.wait(left_s)

    def _read(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            phase, version, reason = json.loads(line)
            with self._news:
                self._heard.append((phase, version, reason))
                self._news.notify_all()


def wait_serving(board: Board, *, timeout_s: float) -> None:
    """Waits until systemd says that edgekitd is up, and it has answered.

    Raises:
        BoardFailed: it does not come to that.
    """
    script = (
        "until systemctl is-active -q edgekitd && [ -s /run/edgekit/pump.jsonl ]; do sleep 1; done"
    )
    if board.ssh(script, timeout_s=timeout_s).returncode:
        log = board.ssh("systemctl status edgekitd; journalctl -b -u edgekitd -n 30 -o cat")
        raise BoardFailed(f"edgekitd does not serve:\n{log.stdout.decode(errors='replace')}")


def report(board: Board) -> Report:
    """What a board that is up holds."""
    return read_report(board.run("sh /opt/lab/on_board.sh"))
