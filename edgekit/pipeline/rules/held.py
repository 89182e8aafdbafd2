"""For how long a condition has held."""

from dataclasses import dataclass

from edgekit.pipeline.rules.conditions import Fact, Rule
from edgekit.pipeline.rules.language import Expression


@dataclass
class HeldFact:
    """A fact, since when its condition has held, and what that makes of it."""

    fact: Fact
    expression: Expression
    since_s: float | None = None
    truth: bool | None = None

    @property
    def max_age_s(self) -> float:
        """From which age on a prediction is unknown to it."""
        return self.fact.max_age_s

    def see(self, truth: bool | None, now_s: float) -> bool:
        """Takes whether the condition holds now; a fact does not fire."""
        if truth is not True:
            self.since_s, self.truth = None, truth
            return False
        if self.since_s is None:
            self.since_s = now_s
        self.truth = now_s >= self.since_s + self.fact.for_s
        return False

    def due_s(self) -> float | None:
        """When it becomes true if nothing else happens."""
        if self.since_s is None or self.truth:
            return None
        return self.since_s + self.fact.for_s


@dataclass
class HeldRule:
    """A rule, since when its condition has held, and when it fired."""

    rule: Rule
    expression: Expression
    since_s: float | None = None
    fired_s: float | None = None
    firings: int = 0
    _has_fired: bool = False  # since the condition began to hold

    @property
    def max_age_s(self) -> float:
        """From which age on a prediction is unknown to it."""
        return self.rule.max_age_s

    def see(self, truth: bool | None, now_s: float) -> bool:
        """Takes whether the condition holds now; tells whether the rule fires."""
        if truth is not True:
            self.since_s, self._has_fired = None, False
            return False
        if self.since_s is None:
            self.since_s = now_s
        due = self.due_s()
        if due is None or now_s < due:
            return False
        self.fired_s, self._has_fired = now_s, True
        self.firings += 1
        return True

    def due_s(self) -> float | None:
        """When it fires if nothing else happens."""
        if self.since_s is None or (self._has_fired and not self.rule.repeat):
            return None
        held = self.since_s + self.rule.for_s
        return held if self.fired_s is None else max(held, self.fired_s + self.rule.cooldown_s)
