"""Confirms new code of the daemon once it has run for its time; else `boot_check` takes it back."""

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.daemon.boot_check import CONFIRMED, Trial, read_trial
from edgekit.learning.durable import write_durably

_log = logging.getLogger(__name__)


class CodeTrial:
    """Looked at now and then while the daemon runs well, from the first look on."""

    def __init__(
        self, trial: Trial, state: Path, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Nothing is written yet.

        Args:
            trial: this daemon's code.
            state: the state directory.
            clock_s: seconds from anywhere.
        """
        self._trial = trial
        self._file = state / CONFIRMED
        self._clock_s = clock_s
        self._since_s: float | None = None
        self._is_over = False

    def look(self, trouble: str | None = None) -> None:
        """Confirms the code where it has run for long enough without trouble.

        Args:
            trouble: what is stuck now: then its time begins anew.

        Raises:
            InputError: the state directory cannot be written.
        """
        now_s = self._clock_s()
        if trouble is not None or self._since_s is None:
            self._since_s = now_s
        if self._is_over or trouble or now_s - self._since_s < self._trial.confirm_after_s:
            return
        write_durably(self._file, lambda file: file.write(self._trial.id.encode() + b"\n"))
        self._is_over = True
        _log.info("the code in slot %s is confirmed", self._trial.slot)


def code_on_trial(prefix: Path = Path(sys.prefix)) -> Trial | None:
    """The trial that this daemon's own code is on, if it is.

    Args:
        prefix: the Python environment that runs.
    """
    slot = prefix.resolve()
    if slot.parent.name != "slots":
        return None
    trial = read_trial(slot.parent.parent)
    return trial if trial is not None and trial.slot == slot.name else None
