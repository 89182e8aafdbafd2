"""What `edgekit watch` shows: messages as lines, and a screen with a line for each pipeline."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from edgekit.messaging.payloads import (
    Fired,
    Infer,
    Metrics,
    Status,
    decode_fired,
    decode_infer,
    decode_metrics,
    decode_status,
)
from edgekit.messaging.topics import Place, place_of

Message = Infer | Fired | Status | Metrics

_DECODERS: dict[str, Callable[[bytes], Message]] = {
    "infer": decode_infer,
    "event": decode_fired,
    "status": decode_status,
    "metrics": decode_metrics,
}
_EVENTS_SHOWN = 5
_BAR_CELLS = 12
_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Line:
    """One line of text.

    Attributes:
        who: the board, and the pipeline or rule.
        said: the rest.
        bar: how full a bar is, 0 to 1; none where there is nothing to measure.
        alarm: whether it is something to look at.
    """

    who: str
    said: str
    bar: float | None = None
    alarm: bool = False

    def text(self, *, width: int | None = None, who_width: int = 0, blocks: bool = True) -> str:
        """As printed: cut to a width where one is given, without colours."""
        bar = "" if self.bar is None else f"{bar_of(self.bar, blocks=blocks)}  "
        text = f"{self.who:<{who_width}}  {bar}{self.said}"
        return text if width is None or len(text) <= width else text[: max(0, width - 1)] + "…"


def read(topic: str, payload: bytes) -> tuple[Place, Message] | None:
    """Whose message it is and what it says; none where the topic is not one to watch.

    Raises:
        InputError: the payload cannot be read.
    """
    place = place_of(topic)
    if place is None or place.kind not in _DECODERS:
        return None
    return place, _DECODERS[place.kind](payload)


def line_of(place: Place, message: Message) -> Line:
    """The message in a line; what came from outside cannot steer the terminal."""
    who = printable(f"{place.device}/{place.name}" if place.name else place.device)
    match message:
        case Infer():
            said, bar, alarm = _answer(message)
            work = message.ms.prepare + message.ms.infer + message.ms.interpret
            late = "  (stored)" if message.hist else ""
            said += f"  {message.ms.age:.0f}+{work:.1f} ms  #{message.seq}{late}"
            return Line(who, printable(said), bar, alarm)
        case Fired():
            when = _clock(message.fired)
            said = f"fired at {when}, true for {message.held_s:.1f} s: {message.when}"
            return Line(who, printable(said), alarm=True)
        case Status():
            said = f"{message.state}, edgekit {message.versions.edgekit}"
            said += f", pipelines {', '.join(message.pipelines)}" if message.pipelines else ""
            said += f" ({message.reason})" if message.reason else ""
            return Line(who, printable(said), alarm=message.state == "offline")
        case Metrics():
            return _metrics(who, message)


def printable(text: str) -> str:
    """The text without control characters, which could move the cursor or worse."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def bar_of(share: float, *, blocks: bool = True) -> str:
    """A bar of twelve cells, filled from the left."""
    share = min(1.0, max(0.0, share))
    if not blocks:
        return ("#" * round(share * _BAR_CELLS)).ljust(_BAR_CELLS, ".")
    eighths = round(share * _BAR_CELLS * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(_BAR_CELLS)


class Screen:
    """The newest line of each pipeline and board, and the last few events."""

    def __init__(self) -> None:
        self._pipelines: dict[str, Line] = {}
        self._boards: dict[str, Line] = {}
        self._load: dict[str, Line] = {}
        self._events: deque[Line] = deque(maxlen=_EVENTS_SHOWN)
        self._drawn = 0

    def take(self, place: Place, message: Message) -> None:
        """Takes a message; one that was stored says nothing of now."""
        line = line_of(place, message)
        match message:
            case Infer():
                if not message.hist:
                    self._pipelines[line.who] = line
            case Fired():
                self._events.append(line)
            case Status():
                self._boards[line.who] = line
            case Metrics():
                self._load[line.who] = line

    def note(self, line: Line) -> None:
        """Shows a line among the events."""
        self._events.append(line)

    def lines(self) -> list[Line]:
        """All there is, boards first."""
        boards = [
            self._load.get(who, line) if not line.alarm else line
            for who, line in sorted((self._load | self._boards).items())
        ]
        return [*boards, *(self._pipelines[who] for who in sorted(self._pipelines)), *self._events]

    def drawing(self, *, width: int, height: int, blocks: bool = True) -> str:
        """What to print so that the last drawing is replaced; its last line ends without a feed."""
        lines = self.lines()[: max(1, height - 1)]
        who_width = min(24, max((len(line.who) for line in lines), default=0))
        rows = [
            _coloured(line, line.text(width=width - 1, who_width=who_width, blocks=blocks))
            for line in lines
        ]
        back = f"\x1b[{self._drawn}A" if self._drawn else ""
        self._drawn = len(rows)
        return f"\r{back}" + "".join(f"\x1b[2K{row}\n" for row in rows) + "\x1b[J"


def _coloured(line: Line, text: str) -> str:
    if line.alarm:
        return click.style(text, fg="red")
    return click.style(text, dim=True) if line.bar is None else text


def _answer(message: Infer) -> tuple[str, float | None, bool]:
    """What the model said, how full its bar is, and whether that is an alarm."""
    if message.top is not None:
        if not message.top:
            return "no class", 0.0, False
        said = ", ".join(f"{one.label} {one.p:.0%}" for one in message.top[:3])
        return said, message.top[0].p, False
    if message.score is not None:
        threshold = message.threshold or 0.0
        share = message.score / threshold if threshold > 0 else float(bool(message.anomalous))
        verdict = "ANOMALOUS" if message.anomalous else "normal"
        return f"{message.score:.4g} of {threshold:.4g}, {verdict}", share, bool(message.anomalous)
    return _values(message.values or ()), None, False


def _values(values: Sequence[float]) -> str:
    more = ", ..." if len(values) > 6 else ""
    return ", ".join(f"{value:.4g}" for value in values[:6]) + more


def _metrics(who: str, message: Metrics) -> Line:
    said = [f"up {_duration(message.uptime_s)}"]
    board = message.board
    if board is not None:
        said += [f"{board.temperature_c:.0f} °C"] if board.temperature_c is not None else []
        said += [f"{board.cpu_percent:.0f} % CPU"] if board.cpu_percent is not None else []
        said += [f"{board.memory_mb:.0f} MB"] if board.memory_mb is not None else []
        said += [*board.throttled]
    if message.outbox is not None:
        said.append(f"{message.outbox.waiting} waiting")
    stuck = {name: one.state for name, one in message.pipelines.items() if one.state not in _FINE}
    said += [f"{name} {state}" for name, state in stuck.items()]
    alarm = bool(stuck) or bool(board and board.throttled)
    return Line(who, printable(", ".join(said)), alarm=alarm)


_FINE = (None, "running", "ended")


def _duration(seconds: float) -> str:
    days, rest = divmod(round(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _clock(at_ms: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
