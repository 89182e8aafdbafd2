"""What a rule and a fact are."""

from dataclasses import dataclass

MAX_AGE_S = 10.0
"""For how long a prediction counts, unless it is said otherwise."""


@dataclass(frozen=True)
class Fact:
    """A named condition that rules and other facts can read.

    Attributes:
        name: a name as Python has them, so that an expression can write it.
        when: the expression.
        for_s: for how long it has to hold before the fact is true; until then it is false.
        max_age_s: predictions older than this count as unknown.
    """

    name: str
    when: str
    for_s: float = 0.0
    max_age_s: float = MAX_AGE_S


@dataclass(frozen=True)
class Rule:
    """A condition that fires when it becomes true.

    Attributes:
        name: the name of the rule, and of its events.
        when: the expression.
        for_s: for how long it has to hold before the rule fires.
        cooldown_s: for how long after a firing it does not fire.
        max_age_s: predictions older than this count as unknown.
        repeat: whether it fires again after every cool-down for as long as it holds.
    """

    name: str
    when: str
    for_s: float = 0.0
    cooldown_s: float = 0.0
    max_age_s: float = MAX_AGE_S
    repeat: bool = False
