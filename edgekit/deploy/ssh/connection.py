"""A connection to a board through the system's ssh: one log-in, as many commands as wanted."""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.deploy.ssh.complaints import complaint
from edgekit.errors import InputError, Unavailable

_LOST = 255
_EXIT_S = 5.0
_IDLE_S = 60
_ALIVE = ("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=4")
_NO_SUCH_COMMAND = 127
_HEEDLESS = 'trap "" INT; exec "$@"'
"""Keeps Ctrl-C from what all other commands go through: what they leave has to be cleared up."""
_TRANSFERRED = re.compile(r"Transferred: sent (\d+), received (\d+) bytes")


@dataclass(frozen=True)
class Destination:
    """A board, as ssh is to be told of it; all else comes from the user's own ssh settings.

    Attributes:
        name: `host`, `user@host`, or an alias.
        port: of its ssh server.
        identity: a private key's file.
        config: settings to use in place of `~/.ssh/config`.
        connect_s: how long to wait for an answer.

    Raises:
        InputError: the name is none.
    """

    name: str
    port: int | None = None
    identity: Path | None = None
    config: Path | None = None
    connect_s: int = 15

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(?!-)[^\s/'\"\\\x00-\x1f]+", self.name) or self.name.endswith("@"):
            raise InputError(f"{self.name!r} is no board: write it as user@host")

    def options(self) -> list[str]:
        """What ssh is told."""
        given = ["-F", str(self.config)] if self.config else []
        given += ["-p", str(self.port)] if self.port else []
        given += ["-i", str(self.identity)] if self.identity else []
        return [*given, "-o", f"ConnectTimeout={self.connect_s}", *_ALIVE, "-T"]


@dataclass(frozen=True)
class Ran:
    """How a command on the board ended.

    Attributes:
        code: its exit code.
        out: what it printed.
        said: what it printed on standard error.
    """

    code: int
    out: bytes
    said: str

    @property
    def last_words(self) -> str:
        """The last line that it said of what went wrong."""
        lines = [line for line in self.said.splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"exit code {self.code}"


@dataclass(frozen=True)
class WireBytes:
    """What went over the wire: ssh's own count, with its log-in and its framing.

    Attributes:
        sent: to the board.
        received: from it.
    """

    sent: int = 0
    received: int = 0


class Connection:
    """Inside its `with` block, commands run on the board over one authenticated connection.

    Where that breaks, each further command tries a connection of its own.
    """

    def __init__(self, destination: Destination, *, may_ask: bool | None = None) -> None:
        """Nothing is connected yet.

        Args:
            destination: the board.
            may_ask: whether ssh may ask for passphrases and unknown host keys; by default where
                standard input is a terminal.
        """
        self.destination = destination
        self._may_ask = sys.stdin.isatty() if may_ask is None else may_ask
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        """Logs in.

        Raises:
            InputError: ssh is not installed, the log-in was refused, or the host key is not the
                one that is known.
            Unavailable: the board cannot be reached.
        """
        self._folder = tempfile.TemporaryDirectory(prefix="ek-")
        try:
            self._log_in()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> WireBytes:
        """Logs out; gives what went over the wire."""
        if self._folder is None:
            return WireBytes()
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                [*self._ssh(), "-O", "exit", self.destination.name],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                stdin=subprocess.DEVNULL,
                timeout=_EXIT_S,
                check=False,
            )
        counted = self._counted()
        self._folder.cleanup()
        self._folder = None
        return counted

    def run(self, script: str, *, stdin: bytes = b"") -> Ran:
        """Runs a shell script on the board to its end.

        Raises:
            Unavailable: the connection was lost, and could not be made again.
        """
        done = subprocess.run(self._command(script), input=stdin, capture_output=True, check=False)
        said = done.stderr.decode(errors="replace")
        if done.returncode == _LOST:
            raise complaint(said, destination=self.destination.name)
        return Ran(done.returncode, done.stdout, said)

    @contextmanager
    def open(self, script: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Runs a shell script on the board and talks with it; ended with the block."""
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                self._command(script),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
            )
            try:
                yield process
            finally:
                for pipe in (process.stdin, process.stdout):
                    with suppress(OSError):
                        assert pipe is not None
                        pipe.close()
                try:
                    process.wait(_EXIT_S)
                except subprocess.TimeoutExpired:
                    process.terminate()
                    process.wait()

    def show(self, script: str) -> int:
        """Runs a shell script whose output goes where ours does; gives its exit code."""
        return subprocess.run(
            self._command(script), stdin=subprocess.DEVNULL, check=False
        ).returncode

    def _log_in(self) -> None:
        own = ["-o", "ControlMaster=yes", "-o", f"ControlPersist={_IDLE_S}", "-v", "-E", self._log]
        asking = [] if self._may_ask else ["-o", "BatchMode=yes"]
        ssh = [*self._ssh(), *own, *asking, self.destination.name, "true"]
        command = ["sh", "-c", _HEEDLESS, "sh", *ssh]
        with tempfile.TemporaryFile() as said:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                check=False,
            ).returncode
            said.seek(0)
            text = said.read().decode(errors="replace")
        if code == _LOST:
            with suppress(OSError):
                text += "\n" + Path(self._log).read_text(errors="replace")
            raise complaint(text, destination=self.destination.name)
        if code == _NO_SUCH_COMMAND and shutil.which("ssh") is None:
            raise InputError("there is no `ssh` here; install openssh-client")
        if code != 0:
            raise InputError(
                f"{self.destination.name}: logged in, but it runs no commands (exit code {code}); "
                "give the user a shell"
            )

    def _command(self, script: str) -> list[str]:
        remote = f"exec sh -c {shlex.quote(script)}"
        options = ["-o", "BatchMode=yes", "-o", "ControlMaster=no", "-o", "LogLevel=ERROR"]
        return [*self._ssh(), *options, self.destination.name, remote]

    def _ssh(self) -> list[str]:
        if self._folder is None:
            raise Unavailable(f"{self.destination.name}: is not connected")
        path = f"ControlPath={self._folder.name}/s"
        return ["ssh", "-o", path, *self.destination.options()]

    @property
    def _log(self) -> str:
        assert self._folder is not None
        return f"{self._folder.name}/log"

    def _counted(self) -> WireBytes:
        """What the log-in's own ssh says when it has ended."""
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            with suppress(OSError):
                found = _TRANSFERRED.search(Path(self._log).read_text(errors="replace"))
                if found is not None:
                    return WireBytes(int(found[1]), int(found[2]))
            time.sleep(0.01)
        return WireBytes()
