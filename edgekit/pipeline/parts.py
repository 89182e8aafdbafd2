"""What flows through a pipeline, and the kinds of part that a pipeline is made of."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from edgekit.array import Array
from edgekit.runtime.prediction import Prediction, Timing


def _keep() -> None:
    """What `Sample.release` does for memory that is the sample's own."""


@dataclass(frozen=True)
class Sample:
    """One reading from a source.

    Attributes:
        data: a picture uint8 `[height, width, 3]` RGB, a row float64 `[columns]`, or a window
            float64 `[length, columns]`. A picture may lie in memory that is used again after
            `release`: copy what must last.
        taken_at_ns: when it was taken, by `time.monotonic_ns`.
        taken_at_ms: when it was taken, in milliseconds since 1970 UTC.
        origin: where it came from, for people: a file name, a row.
        release: gives the memory of `data` back to its source.
    """

    data: Array
    taken_at_ns: int
    taken_at_ms: int
    origin: str = ""
    release: Callable[[], None] = field(default=_keep, compare=False, repr=False)


@dataclass(frozen=True)
class Refusal:
    """What a source gives in place of a sample that cannot be read: one line that says why."""

    reason: str


@dataclass(frozen=True)
class Inference:
    """An event: what a model said of a sample, and all that is needed to trace it.

    Attributes:
        pipeline: the name of the pipeline.
        sequence: counts what the pipeline tells from 0; with `boot` it is the event's id.
        boot: the id of this run of the daemon.
        model_name: the bundle's name.
        model_version: the bundle's version.
        model_hash: the bundle's short hash.
        captured_ms: when the sample was taken, in milliseconds since 1970 UTC.
        origin: where the sample came from.
        prediction: what the model said.
        timing: how long each step took.
    """

    pipeline: str
    sequence: int
    boot: str
    model_name: str
    model_version: str
    model_hash: str
    captured_ms: int
    origin: str
    prediction: Prediction
    timing: Timing


@dataclass(frozen=True)
class Firing:
    """An event: a rule that fired.

    Attributes:
        rule: the name of the rule.
        sequence: counts the rule's firings from 0; with `boot` it is the event's id.
        boot: the id of this run of the daemon.
        fired_ms: when it fired, in milliseconds since 1970 UTC.
        when: the rule's expression.
        held_s: for how long the expression had been true.
        facts: the values that the expression read, by their names in it.
    """

    rule: str
    sequence: int
    boot: str
    fired_ms: int
    when: str
    held_s: float
    facts: Mapping[str, float | bool | str]


Event = Inference | Firing
"""What the board tells the world."""

Item = TypeVar("Item")


class Source(AbstractContextManager["Source"], Protocol):
    """Gives samples. Entering opens the device or file, leaving closes it."""

    def items(self) -> Iterator[Sample | Refusal]:
        """Each item as it comes; ends where the source ends, or soon after `stop`.

        Raises:
            Unavailable: the source broke.
        """

    def stop(self) -> None:
        """Makes `items` end soon. May be called from another thread, and more than once."""


class Stage(Protocol[Item]):
    """Turns items into items of their kind.

    A `Stage[Sample]` works on the source's thread before any sample is dropped, a
    `Stage[Inference]` on the worker's after the model.
    """

    def push(self, item: Item, /) -> Item | None:
        """Takes an item; gives one when there is one to give."""

    def reset(self) -> None:
        """Forgets what it holds: there is a gap in the samples."""


class Sink(AbstractContextManager["Sink"], Protocol):
    """Takes events."""

    def send(self, event: Event) -> bool:
        """Takes an event, without waiting for anything outside; `False` if it was lost."""
