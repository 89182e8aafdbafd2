"""The stages after the model that `edgekit.toml` can name: they work on predictions."""

from typing import Annotated

import msgspec

from edgekit.config.table import Share, Table

Samples = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Duration = Annotated[float, msgspec.Meta(gt=0, le=604_800)]
"""Seconds, up to a week."""
NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e9)]


class SmoothStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="smooth"):
    """Gives each prediction the mean of the last few, or an exponential mean over time."""

    samples: Samples | None = None
    half_life_s: Duration | None = None

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.half_life_s is None):
            raise ValueError("give one of samples and half_life_s")


class HysteresisStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="hysteresis"):
    """Holds an answer that is near the limit.

    The limits are probabilities of classes, or multiples of an anomaly model's threshold.
    """

    enter: NotNegative
    leave: NotNegative

    def __post_init__(self) -> None:
        if self.leave > self.enter:
            raise ValueError("leave is above enter, so an answer would end as soon as it began")


class DebounceStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="debounce"):
    """Lets a changed answer through only once it has held."""

    samples: Samples | None = None
    seconds: Duration | None = None

    def __post_init__(self) -> None:
        if (self.samples is None) == (self.seconds is None):
            raise ValueError("give one of samples and seconds")


class TopStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="top"):
    """Names so many of the likeliest classes."""

    classes: Annotated[int, msgspec.Meta(ge=1, le=1000)]


class ThresholdStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="threshold"):
    """Lets only clear predictions through.

    `at_least` is a probability, or a multiple of an anomaly model's threshold.
    """

    at_least: NotNegative | None = None
    labels: dict[str, Share] = msgspec.field(default_factory=dict)
    anomalous_only: bool = False

    def __post_init__(self) -> None:
        if self.at_least is None and not self.labels and not self.anomalous_only:
            raise ValueError("give at_least, labels or anomalous_only")


class ChangeStage(Table, frozen=True, kw_only=True, tag_field="kind", tag="change"):
    """Lets a prediction through only where its answer is news."""

    heartbeat_s: Duration | None = None


PredictionStage = (
    SmoothStage | HysteresisStage | DebounceStage | TopStage | ThresholdStage | ChangeStage
)
