"""What the board's clock is worth: boards have no battery for one, and it jumps."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from edgekit.errors import InputError
from edgekit.learning.durable import write_durably

_log = logging.getLogger(__name__)
_SAVE_EVERY_S = 300.0
_JUMP_S = 2.0
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")

ClockState = Literal["synchronised", "unsynchronised", "behind"]


class ClockKeeper:
    """Remembers over power-off how late it was, and notices when the wall clock jumps.

    Attributes:
        jumps: how many jumps of more than two seconds there were.
    """

    def __init__(
        self,
        file: Path | None,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic_s: Callable[[], float] = time.monotonic,
        synchronised: Path = _SYNCHRONISED,
    ) -> None:
        """Reads what was remembered.

        Args:
            file: where the last known time is kept; `None` remembers nothing.
            wall_s: seconds since 1970 UTC, which may jump.
            monotonic_s: seconds that never jump.
            synchronised: the file whose presence says that the network set the clock.
        """
        self.jumps = 0
        self._file = file
        self._wall_s = wall_s
        self._monotonic_s = monotonic_s
        self._synchronised = synchronised
        self._last_known_s = _read(file)
        self._offset_s = wall_s() - monotonic_s()
        self._saved_at_s: float | None = None
        if self.state == "behind":
            _log.warning(
                "the clock says %s, earlier than when this board last ran; "
                "times are wrong until the network sets it",
                time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(wall_s())),
            )

    @property
    def state(self) -> ClockState:
        """Whether the network has set the clock; `behind` where it surely is wrong."""
        if self._synchronised.exists():
            return "synchronised"  # whatever was kept: it may come from a clock that ran ahead
        return "behind" if self._wall_s() < self._last_known_s else "unsynchronised"

    def tick(self) -> None:
        """Looks for a jump, and saves the time now and then."""
        now = self._monotonic_s()
        offset = self._wall_s() - now
        if abs(jump := offset - self._offset_s) > _JUMP_S:
            self.jumps += 1
            _log.warning("the clock jumped by %+.1f s", jump)
        self._offset_s = offset  # small steps are a clock being steered, not a jump
        if self._saved_at_s is None or now - self._saved_at_s >= _SAVE_EVERY_S:
            self._saved_at_s = now
            self.save()

    def save(self) -> None:
        """Keeps the time for after a power-off, unless it is behind what is kept."""
        if self._file is None or self.state == "behind":
            return
        text = f"{self._wall_s():.0f}\n".encode()
        try:
            write_durably(self._file, lambda file: file.write(text))
        except InputError as error:
            _log.warning("%s", error)


def _read(file: Path | None) -> float:
    try:
        return float(int(file.read_text())) if file is not None else 0.0
    except FileNotFoundError:
        return 0.0
    except (OSError, ValueError, OverflowError):
        _log.warning("%s: damaged; begun anew", file)
        return 0.0
