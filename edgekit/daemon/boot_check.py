"""Falls back to the code before, where new code of the daemon does not come up.

A board keeps its code in two slots below one folder, and runs the one that a link names:

    /opt/edgekit/slots/a, slots/b    Python environments
    /opt/edgekit/current             -> slots/a
    /opt/edgekit/trial.json          there while new code is on trial
    /opt/edgekit/outcome.json        how the last trial ended
    /opt/edgekit/boot_check.py       a copy of this file

`try b` puts the other slot on trial. `check` runs before each start of the daemon
(`edgekit-boot-check.service`) and counts it; new code that never ran for its time loses its place
after a few. The daemon itself says that it did, in a file of its state directory (`code_trial`).

This file must work where edgekit's own code does not: it runs with the system's Python, and
imports the standard library alone.
"""

import argparse
import fcntl
import json
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

CONFIRMED = "code-confirmed"
"""The file of the state directory that holds the id of the last trial that the daemon passed."""

_SLOT = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_LONGEST_ID = 64


@dataclass(frozen=True)
class Trial:
    """New code that has not yet run for its time.

    Attributes:
        id: names this trial, and no other.
        slot: where the new code is.
        before: the slot to fall back to.
        starts: how often the daemon was started with it.
        max_starts: how many starts it has.
        confirm_after_s: how long it has to run at a stretch.
    """

    id: str
    slot: str
    before: str
    starts: int = 0
    max_starts: int = 3
    confirm_after_s: float = 120.0

    def __post_init__(self) -> None:
        whole = isinstance(self.id, str) and 0 < len(self.id) <= _LONGEST_ID
        slots = all(_SLOT.fullmatch(name) for name in (self.slot, self.before))
        counts = self.starts >= 0 and 1 <= self.max_starts <= 1000 and self.slot != self.before
        if not (whole and slots and counts and 0 <= self.confirm_after_s < 1e6):
            raise ValueError("not a trial")


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: `confirmed` or `fell-back`."""

    id: str
    slot: str
    kind: str
    reason: str = ""


@dataclass(frozen=True)
class Decision:
    """What a start of the daemon changes.

    Attributes:
        trial: what is on trial from now on; `None` is nothing.
        outcome: how the trial ended, if it did.
        switch_to: the slot to run from now on, if it is another one.
    """

    trial: Trial | None
    outcome: Outcome | None = None
    switch_to: str | None = None


def decide(trial: Trial | None, *, current: str | None, confirmed: str | None) -> Decision:
    """What to do before a start of the daemon: pure.

    Args:
        trial: what is on trial.
        current: the slot that would run.
        confirmed: the id of the last trial that the daemon says it passed.
    """
    if trial is None or trial.slot != current:
        return Decision(None)  # power failed before the switch to it, or after the one back
    if confirmed == trial.id:
        return Decision(None, Outcome(trial.id, trial.slot, "confirmed"))
    if trial.starts >= trial.max_starts:
        reason = f"did not run for {trial.confirm_after_s:g} s in any of {trial.starts} starts"
        outcome = Outcome(trial.id, trial.slot, "fell-back", reason)
        return Decision(None, outcome, switch_to=trial.before)
    return Decision(replace(trial, starts=trial.starts + 1))


class CodeSlots:
    """The slots of a board, on its disk. Each change is whole, whenever power fails."""

    def __init__(self, home: Path, state: Path) -> None:
        """Reads nothing yet.

        Args:
            home: the folder with the slots.
            state: the daemon's state directory.
        """
        self._home = home
        self._state = state
        self._trial = home / "trial.json"
        self._outcome = home / "outcome.json"

    @property
    def current(self) -> str | None:
        """The slot that the next start of the daemon runs."""
        try:
            target = (self._home / "current").readlink()
        except OSError:
            return None
        return target.name if target.parent.name == "slots" else None

    def trial(self) -> Trial | None:
        """What is on trial; a file that cannot be read is none."""
        return read_trial(self._home)

    def start(self) -> str:
        """Counts a start of the daemon, or gives the code on trial up; says what it did.

        Raises:
            OSError: the disk cannot be written.
        """
        with self._locked():
            trial = self.trial()
            decision = decide(trial, current=self.current, confirmed=self._confirmed())
            if decision.switch_to is not None and not self._can_run(decision.switch_to):
                return f"slot {decision.switch_to} cannot be fallen back to: it has no edgekitd"
            if decision.outcome is not None:
                _write(self._outcome, asdict(decision.outcome))
            if decision.switch_to is not None:
                self._switch(decision.switch_to)
            if decision.trial is not None:
                _write(self._trial, asdict(decision.trial))
            else:
                self._forget()
        if decision.outcome is not None:
            fate = decision.outcome
            return f"slot {fate.slot}: {fate.kind}" + (f": {fate.reason}" if fate.reason else "")
        if decision.trial is not None:
            now = decision.trial
            return f"slot {now.slot} is on trial: start {now.starts} of {now.max_starts}"
        return "nothing is on trial"

    def begin(self, slot: str, *, max_starts: int, confirm_after_s: float) -> Trial:
        """Puts the code in a slot on trial: the next start of the daemon runs it.

        Raises:
            ValueError: it cannot run, runs already, or there is nothing to fall back to.
            OSError: the disk cannot be written.
        """
        with self._locked():
            before = self.current
            if before is None or not self._can_run(before):
                raise ValueError(f"{self._home}/current is no link to a slot that can run")
            if slot == before:
                raise ValueError(f"slot {slot} is the one that runs: install into another")
            if not _SLOT.fullmatch(slot) or not self._can_run(slot):
                raise ValueError(f"{self._home}/slots/{slot} has no bin/edgekitd: install it first")
            trial = Trial(
                secrets.token_hex(8),
                slot,
                before,
                max_starts=max_starts,
                confirm_after_s=confirm_after_s,
            )
            os.sync()  # all that was installed, before anything points to it
            _write(self._trial, asdict(trial))
            self._switch(slot)
            return trial

    def show(self) -> dict[str, Any]:
        """Where the code stands, as a document."""
        trial, confirmed = self.trial(), self._confirmed()
        outcome = _read(self._outcome)
        phase = "idle" if outcome is None else outcome.get("kind")
        if trial is not None and trial.slot == self.current:
            phase = "confirmed" if confirmed == trial.id else "trial"
        return {
            "phase": phase,
            "current": self.current,
            "trial": None if trial is None else asdict(trial),
            "outcome": outcome,
        }

    def _can_run(self, slot: str) -> bool:
        return (self._home / "slots" / slot / "bin" / "edgekitd").is_file()

    def _confirmed(self) -> str | None:
        """What the daemon wrote; its folder is not trusted to hold a plain file."""
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._state / CONFIRMED, flags)
        except OSError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return None
            return os.read(descriptor, _LONGEST_ID + 2).decode("ascii", "replace").strip()
        finally:
            os.close(descriptor)

    def _switch(self, slot: str) -> None:
        beside = self._home / "current.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(f"slots/{slot}")
        beside.replace(self._home / "current")
        _sync_folder(self._home)

    def _forget(self) -> None:
        with suppress(FileNotFoundError):
            self._trial.unlink()
            _sync_folder(self._home)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._home / ".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_trial(home: Path) -> Trial | None:
    """What is on trial in the folder with the slots; a file that cannot be read is none."""
    document = _read(home / "trial.json")
    try:
        return None if document is None else Trial(**document)
    except (TypeError, ValueError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _write(path: Path, document: dict[str, Any]) -> None:
    """Replaces a file so that whenever power fails, the old one or the new one is there."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o644)  # the daemon reads it, whoever's umask it was
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Does one verb; 0 where it could."""
    options = _parser().parse_args(arguments)
    slots = CodeSlots(options.home, options.state)
    try:
        if options.verb == "check":
            print(slots.start())
        elif options.verb == "show":
            print(json.dumps(slots.show()))
        else:
            trial = slots.begin(
                options.slot,
                max_starts=options.max_starts,
                confirm_after_s=options.confirm_after,
            )
            print(json.dumps(asdict(trial)))
    except (OSError, ValueError) as error:
        print(f"boot_check: error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="boot_check", description="New code of edgekitd, tried.")
    parser.add_argument("--home", type=Path, default=Path("/opt/edgekit"))
    parser.add_argument("--state", type=Path, default=Path("/var/lib/edgekit"))
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("check", help="before each start of edgekitd: count it, or fall back")
    verbs.add_parser("show", help="print where the code stands, as JSON")
    trying = verbs.add_parser("try", help="run another slot from the next start on, on trial")
    trying.add_argument("slot")
    trying.add_argument("--max-starts", type=int, default=3)
    trying.add_argument("--confirm-after", type=float, default=120.0, metavar="SECONDS")
    return parser


if __name__ == "__main__":
    sys.exit(main())
