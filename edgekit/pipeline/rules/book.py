"""Keeps rules over the predictions of a board, and tells which fire when."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from edgekit.pipeline.parts import Firing, Inference
from edgekit.pipeline.rules.conditions import Fact, Rule
from edgekit.pipeline.rules.held import HeldFact, HeldRule
from edgekit.pipeline.rules.language import Expression, compile_expression
from edgekit.pipeline.rules.operations import Look
from edgekit.pipeline.rules.order import in_order
from edgekit.pipeline.rules.readings import Readable, Reading, Value, value_of
from edgekit.runtime.prediction import Prediction


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class RuleBook:
    """Takes predictions and the time; gives firings.

    A rule fires when its condition has held for `for_s` and its cool-down is over, once until the
    condition has been false or unknown in between, or after each cool-down with `repeat`. A rule
    that holds when its cool-down ends fires then.

    A prediction counts until it is `max_age_s` old, from when it was taken; then what is read of
    it is unknown. Whatever is unknown makes no condition true: `not pump.anomalous` does not hold
    while the pump is silent.

    When things happen does not depend on how often `tick` is called: a late call works through
    what was due in the meantime, in order. All times are seconds on one clock that never goes
    back. For one thread at a time.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        facts: Sequence[Fact] = (),
        *,
        readables: Mapping[str, Readable],
        boot: str,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        """Takes what can be read by pipeline or fusion, and the time of day for the firings.

        Raises:
            InputError: an expression or a cycle of facts that `check_rules` would have told.
        """
        names = [fact.name for fact in facts]

        def compiled(when: str) -> Expression:
            return compile_expression(when, readables=readables, facts=names)

        by_name = {fact.name: HeldFact(fact, compiled(fact.when)) for fact in facts}
        order = in_order({name: held.expression for name, held in by_name.items()})
        self._facts = {name: by_name[name] for name in order}
        self._rules = [HeldRule(rule, compiled(rule.when)) for rule in rules]
        self._all: list[HeldFact | HeldRule] = [*self._facts.values(), *self._rules]
        self._shortest_age_s = min((held.max_age_s for held in self._all), default=math.inf)
        self._readers = {name: self._readers_of(name) for name in readables}
        self._boot, self._now_ms = boot, now_ms
        self._latest: dict[str, tuple[Prediction, float]] = {}
        self._at_s = -math.inf
        self._quiet_until_s = math.inf  # nothing turns before, so most calls need not look

    def take(self, inference: Inference, now_s: float) -> list[Firing]:
        """Takes a prediction of any pipeline or fusion; gives what fires by it, or was due."""
        firings = self.tick(now_s)
        readers = self._readers.get(inference.pipeline)
        if not readers:
            return firings
        self._latest[inference.pipeline] = (inference.prediction, self._at_s)
        firings += self._see(readers, self._at_s)
        due = [at for held in readers if (at := held.due_s()) is not None and at > self._at_s]
        stale = _stale_s(self._at_s, self._shortest_age_s)
        self._quiet_until_s = min(self._quiet_until_s, stale, *due)
        return firings

    def tick(self, now_s: float) -> list[Firing]:
        """Gives what was due until now."""
        now_s = max(now_s, self._at_s)
        firings: list[Firing] = []
        while self._quiet_until_s <= now_s:
            self._at_s = self._quiet_until_s
            firings += self._see(self._all, now_s)
            self._quiet_until_s = self._next_turn_s()
        self._at_s = now_s
        return firings

    def next_tick_s(self) -> float | None:
        """When a duration or a cool-down ends with no further prediction; `None`: none does."""
        due = [held.due_s() for held in self._all]
        return min((at for at in due if at is not None), default=None)

    def _readers_of(self, name: str) -> list[HeldFact | HeldRule]:
        """The conditions that read a pipeline, themselves or through facts; facts first."""
        readers: list[HeldFact | HeldRule] = []
        through = {name}
        for held in self._all:
            if any(reading.of in through for reading in held.expression.readings):
                readers.append(held)
                if isinstance(held, HeldFact):
                    through.add(held.fact.name)
        return readers

    def _see(self, conditions: list[HeldFact | HeldRule], now_s: float) -> list[Firing]:
        """Looks at conditions at `_at_s`; the firings are told at `now_s`."""
        firings = []
        for held in conditions:
            look = self._look(held.max_age_s)
            if held.see(held.expression.value(look), self._at_s) and isinstance(held, HeldRule):
                firings.append(self._firing(held, look, now_s))
        return firings

    def _look(self, max_age_s: float) -> Look:
        def look(reading: Reading) -> Value | None:
            if reading.part == "fact":
                return self._facts[reading.of].truth
            prediction, taken_s = self._latest.get(reading.of, (None, 0.0))
            if prediction is None or self._at_s >= _stale_s(taken_s, max_age_s):
                return None
            return value_of(reading, prediction)

        return look

    def _firing(self, held: HeldRule, look: Look, now_s: float) -> Firing:
        assert held.since_s is not None, "a rule fires while its condition holds"
        readings = [(reading.name, look(reading)) for reading in held.expression.readings]
        return Firing(
            rule=held.rule.name,
            sequence=held.firings - 1,
            boot=self._boot,
            fired_ms=max(0, self._now_ms() - round((now_s - self._at_s) * 1000)),
            when=held.rule.when,
            held_s=self._at_s - held.since_s,
            facts={name: value for name, value in readings if value is not None},
        )

    def _next_turn_s(self) -> float:
        """The next time after `_at_s` at which a condition may change."""
        turns = (at for held in self._all for at in self._turns(held) if at > self._at_s)
        return min(turns, default=math.inf)

    def _turns(self, held: HeldFact | HeldRule) -> Iterator[float]:
        due = held.due_s()
        if due is not None:
            yield due
        for reading in held.expression.readings:
            if reading.of in self._latest:
                yield _stale_s(self._latest[reading.of][1], held.max_age_s)


def _stale_s(taken_s: float, max_age_s: float) -> float:
    """The first moment at which a prediction is older than `max_age_s`."""
    return math.nextafter(taken_s + max_age_s, math.inf)
