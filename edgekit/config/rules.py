"""The tables of `edgekit.toml` about fusion, facts and rules."""

from typing import Annotated, Literal

import msgspec

from edgekit.config.prediction_stages import Duration
from edgekit.config.sinks import Sink
from edgekit.config.table import Table, TopicLevel
from edgekit.pipeline.rules.conditions import MAX_AGE_S, Fact, Rule
from edgekit.pipeline.rules.parsing import MAX_LENGTH

FactName = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z_][A-Za-z0-9_]{0,63}\Z")]
"""A name that an expression can write."""

Weight = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
When = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LENGTH)]
DurationOrNone = Annotated[float, msgspec.Meta(ge=0, le=604_800)]
"""Seconds, from 0 to a week."""

_SHORTEST_REPEAT_S = 0.1


class FusionTable(Table, frozen=True, kw_only=True):
    """Fuses the predictions of several pipelines into those of one."""

    inputs: Annotated[dict[TopicLevel, Weight], msgspec.Meta(min_length=2, max_length=32)]
    window_s: Duration
    require: Annotated[int, msgspec.Meta(ge=1)] = 1
    pool: Literal["linear", "log"] = "linear"
    sinks: tuple[Sink, ...] = ()

    def __post_init__(self) -> None:
        if self.require > len(self.inputs):
            raise ValueError(f"require is {self.require}, but there are {len(self.inputs)} inputs")


class FactTable(Table, frozen=True, kw_only=True):
    """A named condition that rules and other facts can read."""

    when: When
    for_s: DurationOrNone = 0.0
    max_age_s: Duration = MAX_AGE_S

    def fact(self, name: str) -> Fact:
        """The fact that this table is of."""
        return Fact(name, self.when, for_s=self.for_s, max_age_s=self.max_age_s)


class RuleTable(Table, frozen=True, kw_only=True):
    """A condition that fires when it becomes true."""

    when: When
    sinks: Annotated[tuple[Sink, ...], msgspec.Meta(min_length=1)]
    for_s: DurationOrNone = 0.0
    cooldown_s: DurationOrNone = 0.0
    max_age_s: Duration = MAX_AGE_S
    repeat: bool = False

    def __post_init__(self) -> None:
        if self.repeat and self.cooldown_s < _SHORTEST_REPEAT_S:
            raise ValueError(f"repeat needs a cooldown_s of at least {_SHORTEST_REPEAT_S}")

    def rule(self, name: str) -> Rule:
        """The rule that this table is of."""
        return Rule(
            name,
            self.when,
            for_s=self.for_s,
            cooldown_s=self.cooldown_s,
            max_age_s=self.max_age_s,
            repeat=self.repeat,
        )
