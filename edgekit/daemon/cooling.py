"""Keeps the board cool: reads its temperature, and slows its pipelines down by policy."""

import logging
import time
from collections.abc import Callable, Iterable

from edgekit.config.thermal import ThermalSettings
from edgekit.daemon.rates import RateControl
from edgekit.daemon.thermal import (
    ThermalPolicy,
    Throttling,
    read_temperature_c,
    read_throttling,
)

_log = logging.getLogger(__name__)


class Cooling:
    """Looks how hot the board is whenever it is asked to.

    Attributes:
        temperature_c: the processor's at the last look; `None` where the board does not say.
        throttling: what the firmware said then, where it says anything.
    """

    def __init__(
        self,
        settings: ThermalSettings,
        *,
        temperature_c: Callable[[], float | None] = read_temperature_c,
        throttling: Callable[[], Throttling | None] = read_throttling,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.temperature_c: float | None = None
        self.throttling: Throttling | None = None
        self._read_temperature_c = temperature_c
        self._read_throttling = throttling
        self._clock_s = clock_s
        self.follow(settings)

    @property
    def factor(self) -> float:
        """What share of their rates the pipelines may use."""
        return self._policy.factor

    @property
    def words(self) -> tuple[str, ...]:
        """What holds the processor back now, a word each: `under-voltage`, `throttled`, ..."""
        if self.throttling is None:
            return ()
        names = ("under_voltage", "frequency_capped", "throttled", "soft_temperature_limit")
        return tuple(name.replace("_", "-") for name in names if getattr(self.throttling, name))

    def follow(self, settings: ThermalSettings) -> None:
        """Takes other settings; begins afresh at full speed."""
        self._policy = ThermalPolicy(
            soft_c=settings.soft_c,
            hard_c=settings.hard_c,
            lowest=settings.lowest,
            when_held_back=settings.when_held_back,
            hysteresis_c=settings.hysteresis_c,
            hold_s=settings.hold_s,
        )

    def look(self, rates: Iterable[RateControl]) -> None:
        """Reads, and tells the pipelines where the factor changed."""
        before, words_before = self.factor, self.words
        self.temperature_c = self._read_temperature_c()
        self.throttling = self._read_throttling()
        factor = self._policy.update(self.temperature_c, self.throttling, self._clock_s())
        if self.words != words_before and self.words:
            _log.warning("the board is held back: %s", ", ".join(self.words))
        if factor != before:
            _log.warning(
                "pipelines run at %.0f %% of their rates (%s)",
                100 * factor,
                "temperature unknown"
                if self.temperature_c is None
                else f"{self.temperature_c:.0f} degrees Celsius",
            )
        for control in rates:
            control.scale(factor)
