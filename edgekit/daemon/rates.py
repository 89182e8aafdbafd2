"""How many samples a second a pipeline takes: as configured, wished from afar, and cool enough."""

import math
import time
from collections.abc import Callable
from typing import Protocol


class Paced(Protocol):
    """What can be told how many samples a second to let through."""

    def set_rate(self, hz: float | None) -> None:
        """Caps the samples a second; `None` takes the cap away."""


class RateControl:
    """Joins the three who have a say: the lowest cap holds, times the thermal factor.

    Where nobody caps a pipeline, a factor below one is taken of the rate it was seen to run at.
    """

    def __init__(
        self,
        paced: Paced,
        *,
        configured_hz: float | None,
        taken: Callable[[], int],
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Caps as configured.

        Args:
            paced: the source or stage that holds samples back.
            configured_hz: what the settings say.
            taken: how many samples were let through so far.
            clock_s: seconds that never jump.
        """
        self._paced = paced
        self._configured_hz = configured_hz
        self._wishes: dict[str, float | None] = {}
        self._factor = 1.0
        self._taken = taken
        self._clock_s = clock_s
        self._seen = (clock_s(), taken())
        self._seen_hz = math.inf
        self._told_hz: float | None = None
        self._apply()

    @property
    def hz(self) -> float | None:
        """The cap in force."""
        return self._told_hz

    def wish(self, who: str, hz: float | None) -> None:
        """Notes what somebody asks for, in place of what they asked for before."""
        self._wishes[who] = hz
        self._apply()

    def scale(self, factor: float) -> None:
        """Takes the thermal factor, in (0, 1]. Call it now and then, so that the rate is seen."""
        now, taken = self._clock_s(), self._taken()
        then, taken_then = self._seen
        is_unseen = math.isinf(self._seen_hz)  # as where the source opens on a hot board
        if (self._factor == 1.0 or is_unseen) and now > then and taken > taken_then:
            self._seen_hz = (taken - taken_then) / (now - then)
        self._seen = (now, taken)
        if factor != self._factor or is_unseen:
            self._factor = factor
            self._apply()

    def _apply(self) -> None:
        caps = [hz for hz in (self._configured_hz, *self._wishes.values()) if hz is not None]
        cap = min(caps, default=math.inf)
        if self._factor < 1.0:
            cap = min(cap, self._seen_hz) * self._factor
        hz = None if math.isinf(cap) else cap
        if hz != self._told_hz:
            self._told_hz = hz
            self._paced.set_rate(hz)
