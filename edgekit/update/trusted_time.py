"""The time that signatures are judged by: the later of the clock and the last trusted time."""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import time

from edgekit.update.files import FileSystem, make_folders, replace_durably

_log = logging.getLogger(__name__)
_STEP_S = 60.0


class TrustedTime:
    """Remembers over power-off the latest time at which signed metadata was current.

    It moves only when a refresh succeeded, so it never passes what the online key signed as the
    end of its timestamp: a clock that runs ahead cannot lock a board out for longer than that.
    """

    def __init__(
        self, file: Path, files: FileSystem, *, clock_s: Callable[[], float] = time
    ) -> None:
        """Nothing is read yet.

        Args:
            file: where it is kept.
            files: changes the disk.
            clock_s: seconds since 1970 UTC, which may be wrong.
        """
        self._file = file
        self._files = files
        self._clock_s = clock_s

    def now(self) -> datetime:
        """The later of the clock and the last trusted time."""
        return datetime.fromtimestamp(max(self._clock_s(), self._kept_s()), UTC)

    def trust(self, moment: datetime) -> None:
        """Remembers a time at which everything was signed and current.

        Raises:
            OSError: it cannot be written.
        """
        if moment.timestamp() >= self._kept_s() + _STEP_S:  # spares the flash
            make_folders(self._files, self._file.parent)
            data = json.dumps({"trusted": moment.isoformat()}).encode()
            replace_durably(self._files, self._file, data)

    def _kept_s(self) -> float:
        try:
            kept = json.loads(self._file.read_bytes())["trusted"]
            return datetime.fromisoformat(kept).timestamp()
        except FileNotFoundError:
            return 0.0
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            _log.warning("%s: cannot be read (%s); the clock alone counts", self._file, error)
            return 0.0
