"""The daemon's log: a line each, ranked for the journal, and never a flood."""

import logging
import os
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

_LINES_A_MINUTE = 20
_MOST_KINDS = 256
_PRIORITIES = {
    logging.CRITICAL: 2,
    logging.ERROR: 3,
    logging.WARNING: 4,
    logging.INFO: 6,
    logging.DEBUG: 7,
}


def set_up_logging(environ: Mapping[str, str] = os.environ) -> None:
    """Logs to standard error, with the priorities that the journal reads where it listens."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Ranked(_FORMAT) if "JOURNAL_STREAM" in environ else logging.Formatter(_FORMAT)
    )
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


_FORMAT = "edgekitd: %(levelname)s: %(message)s"


class RateLimit(logging.Filter):
    """Lets so many lines of one kind through a minute, and says how many it held back.

    Lines are of one kind where the same statement of the program wrote them: a camera that
    refuses every picture must not wear out a board's flash, nor push out of the journal what
    came before.
    """

    def __init__(
        self,
        lines_a_minute: int = _LINES_A_MINUTE,
        *,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._most = lines_a_minute
        self._clock_s = clock_s
        self._kinds: OrderedDict[tuple[str, str], _Minute] = OrderedDict()
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written; a first line after a flood also says what was not."""
        kind, now = (record.name, str(record.msg)), self._clock_s()
        with self._lock:
            minute = self._kinds.get(kind)
            held_back = 0
            if minute is None or now - minute.began_s >= 60:
                held_back = minute.held_back if minute else 0
                minute = self._kinds[kind] = _Minute(now)
                self._kinds.move_to_end(kind)
                while len(self._kinds) > _MOST_KINDS:
                    self._kinds.popitem(last=False)
            minute.lines += 1
            if minute.lines > self._most:
                minute.held_back += 1
                return False
        if held_back:
            record.msg = f"{record.getMessage()} (and {held_back} lines like it before)"
            record.args = None
        return True


class _Minute:
    def __init__(self, began_s: float) -> None:
        self.began_s = began_s
        self.lines = self.held_back = 0


class _Ranked(logging.Formatter):
    """Puts sd-daemon(3)'s `<N>` before each line, of a traceback too."""

    def format(self, record: logging.LogRecord) -> str:
        rank = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(rank + line for line in super().format(record).splitlines())
