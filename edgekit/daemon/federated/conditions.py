"""Reads what a policy wants to know of the board: its power supply, and how busy it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

_SUPPLIES = "sys/class/power_supply"


def on_mains(root: Path = Path("/")) -> bool | None:
    """Whether the board takes mains power; `None` where it has nothing that would tell.

    Batteries of a mouse or a pen do not count.

    Args:
        root: where `/sys` is.
    """
    supplies = [s for s in sorted((root / _SUPPLIES).glob("*")) if _text(s / "scope") != "Device"]
    online = [_text(s / "online") for s in supplies if _text(s / "type") != "Battery"]
    told = [word for word in online if word.isdecimal()]
    if told:
        return any(word != "0" for word in told)
    batteries = [_text(s / "status") for s in supplies if _text(s / "type") == "Battery"]
    if "Discharging" in batteries:
        return False
    return True if set(batteries) & {"Charging", "Full", "Not charging"} else None


class Busyness:
    """How busy all cores are with work other than one thread's.

    Args:
        own_s: the processor time of that thread so far, in seconds.
        root: where `/proc` is.
        clock_s: seconds that never jump.
        least_s: how far apart looks are; one that comes sooner gives what the last one gave.
    """

    def __init__(
        self,
        own_s: Callable[[], float],
        *,
        root: Path = Path("/"),
        clock_s: Callable[[], float] = time.monotonic,
        least_s: float = 2.0,
    ) -> None:
        self._own_s, self._root, self._clock_s, self._least_s = own_s, root, clock_s, least_s
        self._looked_s = clock_s()
        self._before = self._read()
        self._share: float | None = None

    def share(self) -> float | None:
        """From 0 to 1, since the look before; `None` at first, or where the system does not say."""
        if self._clock_s() - self._looked_s < self._least_s:
            return self._share
        self._looked_s = self._clock_s()
        now, before = self._read(), self._before
        self._before = now
        if now is None or before is None or now[1] <= before[1]:
            return self._share
        busy, total, own = (a - b for a, b in zip(now, before, strict=True))
        self._share = min(1.0, max(0.0, (busy - own) / total))
        return self._share

    def _read(self) -> tuple[float, float, float] | None:
        """Seconds of all cores so far: busy, in all, and the thread's; see proc(5)."""
        words = next(_lines(self._root / "proc/stat"), "").split()
        if len(words) < 6 or words[0] != "cpu":
            return None
        ticks = [int(word) / 100 for word in words[1:9] if word.isdecimal()]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks), self._own_s()


def _text(path: Path) -> str:
    return next(_lines(path), "").strip()


def _lines(path: Path) -> Iterator[str]:
    try:
        yield from path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # a supply that is not there now answers ENODEV
        return
