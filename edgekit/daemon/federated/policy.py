"""Whether a board takes part in a round: decided from what it is like now."""

from dataclasses import dataclass
from datetime import time

from edgekit.config.federated import PolicyTable


@dataclass(frozen=True)
class Conditions:
    """What a board is like now; what it cannot tell is `None` and forbids nothing.

    Attributes:
        local: the time of day.
        samples: how many it has to learn from.
        rounds_today: how many rounds it took part in since midnight.
        temperature_c: the processor's.
        held_back: what holds the processor back, a word each, such as `under-voltage`.
        waiting: how many samples wait in the pipeline.
        busy: the share of all cores that other work takes.
        on_mains: whether it takes mains power.
    """

    local: time
    samples: int
    rounds_today: int
    temperature_c: float | None = None
    held_back: tuple[str, ...] = ()
    waiting: int = 0
    busy: float | None = None
    on_mains: bool | None = None


def objection(policy: PolicyTable, now: Conditions, *, training: bool = False) -> str | None:
    """Why a board should not take part, in one line; `None` where nothing speaks against it.

    Args:
        policy: what its settings allow.
        now: what it is like.
        training: whether it is about a training that runs: such a one is not ended for what only
            forbids to begin.
    """
    if now.held_back:
        return f"the processor is held back: {', '.join(now.held_back)}"
    if now.temperature_c is not None and now.temperature_c > policy.max_temperature_c:
        return f"the processor is above {policy.max_temperature_c:g} degrees Celsius"
    if policy.mains and now.on_mains is False:
        return "it runs on its battery"
    if policy.hours is not None and not is_within(policy.hours, now.local):
        return f"it takes part from {policy.hours.replace('-', ' to ')} only"
    if now.waiting > policy.max_waiting:
        return f"more than {policy.max_waiting} samples wait in its pipeline"
    if now.busy is not None and now.busy > policy.max_busy:
        return f"its cores are busy above {policy.max_busy:.0%} with other work"
    if training:
        return None
    if now.samples < policy.min_samples:
        return f"it has fewer than {policy.min_samples} samples"
    if now.rounds_today >= policy.rounds_a_day:
        return f"it has taken part in {policy.rounds_a_day} rounds today"
    return None


def is_within(hours: str, now: time) -> bool:
    """Whether a time lies in `HH:MM-HH:MM`, its end not included; it may span midnight.

    Where both ends are the same it is the whole day.
    """
    start, end = (time.fromisoformat(part) for part in hours.split("-"))
    if start < end:
        return start <= now < end
    return now >= start or now < end
