"""The tables of `edgekit.toml` about learning together; `docs/federated_board.md` explains each."""

from typing import Annotated

import msgspec

from edgekit.config.table import Megabytes, Share, Table, TopicLevel

_Pattern = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
_LabelName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
_Label = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | _LabelName
_Celsius = Annotated[float, msgspec.Meta(ge=-40, le=150)]
_Count = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
_Hours = Annotated[
    str, msgspec.Meta(pattern=r"\A([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d\Z")
]


class SamplesTable(Table, frozen=True, kw_only=True):
    """`[federated.JOB.samples]`: what is kept on the board to learn from."""

    max_mb: Megabytes = 20.0
    max_age_days: Annotated[float, msgspec.Meta(gt=0, le=3650)] = 30.0
    min_gap_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    """At most one sample in so many seconds."""
    recent: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 32
    """How many of the newest samples may still be labelled, by a command or a rule."""
    rules: dict[TopicLevel, _Label] = msgspec.field(default_factory=dict)
    """Which label a rule that fires gives the newest sample, by the rule's name."""
    pseudo: Annotated[float, msgspec.Meta(ge=0.5, le=1)] | None = None
    """From which probability on the model's own answer is taken for the label."""


class PolicyTable(Table, frozen=True, kw_only=True):
    """`[federated.JOB.policy]`: when the board takes part."""

    max_temperature_c: _Celsius = 70.0
    max_waiting: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 4
    """How many samples may wait in the pipeline."""
    max_busy: Share = 0.9
    """How much of all cores other work may take."""
    mains: bool = True
    """Whether it takes mains power, where the board can tell."""
    hours: _Hours | None = None
    """`22:00-06:00`, by the board's local time."""
    min_samples: _Count = 32
    rounds_a_day: _Count = 48


class FederatedTable(Table, frozen=True, kw_only=True):
    """`[federated.JOB]`: takes part in a coordinator's job of that name."""

    pipeline: TopicLevel
    personal: tuple[_Pattern, ...] = ()
    """Parameters that never leave the board, such as `head.*`."""
    use: bool = False
    """Whether the pipeline answers with what was learned."""
    count_epsilon: Annotated[float, msgspec.Meta(gt=0, le=20)] | None = None
    """Tells how many samples of each class there are, so privately; left out, it does not."""
    samples: SamplesTable = SamplesTable()
    policy: PolicyTable = PolicyTable()
