"""Fusion and rules: what all pipelines say, put together."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.daemon.numbering import Numbering
from edgekit.pipeline.fusion import Fusion
from edgekit.pipeline.parts import Event, Firing, Inference, Sink
from edgekit.pipeline.rules import RuleBook

_BUSY_S = 0.1
"""For how long the main thread waits for another one: it must always hear that it is to stop."""


@dataclass(frozen=True)
class Fused:
    """A fusion, and who is told what it concludes."""

    fusion: Fusion
    sinks: Sequence[Sink]


class Hub:
    """Hears every prediction; tells fused predictions and rules that fire to their sinks.

    From any thread: a pipeline's own thread brings its prediction, the daemon's main thread the
    passing of time.
    """

    def __init__(
        self,
        fused: Sequence[Fused] = (),
        rules: RuleBook | None = None,
        rule_sinks: Mapping[str, Sequence[Sink]] | None = None,
        *,
        numbering: Numbering | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fused = fused
        self._rules = rules
        self._rule_sinks = rule_sinks or {}
        self._numbering = numbering or Numbering()
        self._clock_s = clock_s
        self._lock = threading.Lock()

    def hear(self, inference: Inference) -> None:
        """Takes what a pipeline says."""
        if not self._fused and self._rules is None:
            return
        with self._lock:
            self._conclude(inference)
            for fused in self._fused:
                if (concluded := fused.fusion.take(inference, self._clock_s())) is not None:
                    self._tell_fused(fused, concluded)

    def tick(self) -> None:
        """Lets durations and windows run out; later, where a sink keeps another thread in here."""
        if not self._lock.acquire(timeout=_BUSY_S):
            return
        try:
            now = self._clock_s()
            for fused in self._fused:
                if (concluded := fused.fusion.tick(now)) is not None:
                    self._tell_fused(fused, concluded)
            if self._rules is not None:
                self._tell_firings(self._rules.tick(now))
        finally:
            self._lock.release()

    def wait_s(self) -> float | None:
        """Seconds until time alone changes something; `None` where it does not."""
        if not self._lock.acquire(timeout=_BUSY_S):
            return _BUSY_S
        try:
            due = [fused.fusion.next_tick_s() for fused in self._fused]
            if self._rules is not None:
                due.append(self._rules.next_tick_s())
        finally:
            self._lock.release()
        times = [at_s for at_s in due if at_s is not None]
        return max(0.0, min(times) - self._clock_s()) if times else None

    def _tell_fused(self, fused: Fused, concluded: Inference) -> None:
        number = self._numbering.next("fusion", concluded.pipeline)
        concluded = replace(concluded, sequence=number)
        _tell(concluded, fused.sinks)
        self._conclude(concluded)

    def _conclude(self, inference: Inference) -> None:
        if self._rules is not None:
            self._tell_firings(self._rules.take(inference, self._clock_s()))

    def _tell_firings(self, firings: Sequence[Firing]) -> None:
        for firing in firings:
            number = self._numbering.next("rule", firing.rule)
            _tell(replace(firing, sequence=number), self._rule_sinks.get(firing.rule, ()))


def _tell(event: Event, sinks: Sequence[Sink]) -> None:
    for sink in sinks:
        sink.send(event)
