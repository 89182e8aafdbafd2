"""Speaks with the helper on the board, edgekit.daemon.deploy_control, in lines of JSON."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import IO, TypeVar

import msgspec

from edgekit.daemon.deploy_control.messages import (
    FORMAT,
    Arrived,
    BoardReport,
    Offsets,
    Order,
    Parcel,
    Refusal,
    Shipped,
    Shipping,
    decode_line,
    encode_line,
)
from edgekit.deploy.ssh.board import Board
from edgekit.deploy.ssh.complaints import printable
from edgekit.errors import BundleError, EdgekitError, InputError, Unavailable
from edgekit.messaging.payloads import DeployDesired, DeployStatus

_MODULE = "edgekit.daemon.deploy_control"
_CHUNK = 1 << 15
_ERRORS: dict[int, type[EdgekitError]] = {4: BundleError, 5: Unavailable}

T = TypeVar("T")


class Control:
    """The helper of one board. Each method is one short program there."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def describe(self) -> BoardReport:
        """What there is on the board.

        Raises:
            InputError: the board's edgekit knows no such question, or another form of it.
        """
        report = self._ask("describe", BoardReport)
        if report.format != FORMAT:
            raise InputError(
                f"{self._board.name}: its edgekit {report.edgekit} speaks another form of deploys; "
                "take the same version on both sides"
            )
        return report

    def send(
        self, parcel: Parcel, folder: Path, *, sending: Callable[[int, int], None]
    ) -> tuple[int, list[str]]:
        """Brings the board's copy of a repository up to date; goes on where an attempt broke off.

        Args:
            parcel: what it shall hold.
            folder: where the files are here.
            sending: is told how many bytes were sent, of how many.

        Returns:
            How many bytes were sent, and the files that had changed.

        Raises:
            InputError: the board cannot take them.
            Unavailable: the connection was lost; the next attempt goes on from there.
        """
        with self._talk("receive") as process:
            stdin, stdout = process.stdin, process.stdout
            assert stdin is not None
            assert stdout is not None
            with self._explained(stdout):
                stdin.write(encode_line(parcel))
                stdin.flush()
            have = self._line(stdout, Offsets).have
            todo = [
                (note, start)
                for note, start in zip(parcel.files, have, strict=True)
                if start < note.size_bytes
            ]
            total = sum(note.size_bytes - start for note, start in todo)
            sent = 0
            with self._explained(stdout):
                for note, start in todo:
                    for chunk in _chunks(folder / note.path, start):
                        stdin.write(chunk)
                        sent += len(chunk)
                        sending(sent, total)
                stdin.flush()
            for _ in parcel.files:
                self._line(stdout, Arrived)
        return sent, [note.path for note, _ in todo]

    def ship(self, shipping: Shipping) -> str:
        """Unpacks what was sent as the bundle that settings name; gives its folder."""
        return self._ask("ship", Shipped, encode_line(shipping)).folder

    def follow(
        self, bundle: str, wish: DeployDesired, *, keep: Parcel | None, for_s: float
    ) -> Iterator[DeployStatus]:
        """Gives the daemon a hint, and what it says, until it is done or the time is up.

        Args:
            bundle: the bundle's name.
            wish: the hint; the same one may be given again.
            keep: what the board's copy of the repository is tidied to when it is followed.
            for_s: how long to look.
        """
        more = ("--bundle", bundle, "--seconds", str(for_s))
        with self._talk("follow", *more) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            with self._explained(process.stdout):
                process.stdin.write(encode_line(Order(wish=wish, keep=keep)))
                process.stdin.flush()
            while line := process.stdout.readline():
                yield self._read(line, DeployStatus)

    def withdraw(self, bundle: str, rollout: str) -> None:
        """Takes a hint away again, if the daemon is not done with it."""
        more = ("--bundle", bundle, "--rollout", rollout)
        ran = self._board.connection.run(self._command("withdraw", more))
        if ran.code:
            raise self._silent(ran.said)

    def _ask(self, verb: str, kind: type[T], stdin: bytes = b"") -> T:
        ran = self._board.connection.run(self._command(verb, ()), stdin=stdin)
        if not ran.out:
            raise self._silent(ran.said)
        return self._read(ran.out, kind)

    def _command(self, verb: str, more: Sequence[str]) -> str:
        layout = self._board.layout
        words = ["-I", "-m", _MODULE, verb, "--config", layout.config]
        words += ["--state", layout.state, *more]
        return self._board.rightful(f"exec {layout.python} {' '.join(map(quote, words))}")

    @contextmanager
    def _talk(self, verb: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
        with self._board.connection.open(self._command(verb, more)) as process:
            yield process

    @contextmanager
    def _explained(self, answer: IO[bytes]) -> Iterator[None]:
        """Where the helper stopped listening, it has said why."""
        try:
            yield
        except BrokenPipeError as error:
            with suppress(OSError):
                while line := answer.readline():
                    self._read(line, msgspec.Raw)
            raise Unavailable(
                f"{self._board.name}: the connection was lost; deploy again to go on from there"
            ) from error

    def _line(self, stream: IO[bytes], kind: type[T]) -> T:
        line = stream.readline()
        if not line:
            raise Unavailable(
                f"{self._board.name}: the connection was lost; deploy again to go on from there"
            )
        return self._read(line, kind)

    def _read(self, line: bytes, kind: type[T]) -> T:
        try:
            refusal = decode_line(line, Refusal)
        except InputError:
            return decode_line(line, kind)
        kind_of_error = _ERRORS.get(refusal.code, InputError)
        raise kind_of_error(f"{self._board.name}: {printable(refusal.error)}")

    def _silent(self, said: str) -> EdgekitError:
        if f"No module named {_MODULE}" in said or "invalid choice" in said:
            return InputError(
                f"{self._board.name}: its edgekit {self._board.facts.edgekit} is too old for "
                "deploys; run `pip install --upgrade edgekit` in its environment"
            )
        return self._board.failure("ask edgekit there", said)


def _chunks(path: Path, start: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(_CHUNK):
            yield chunk
