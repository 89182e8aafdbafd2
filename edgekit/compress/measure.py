"""Measures artifacts against the model they came from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.bundle import Measured
from edgekit.bundle.manifest import EngineName, OutputKind
from edgekit.compress.answers import Candidate, answers_to
from edgekit.compress.data import Samples
from edgekit.compress.progress import Progress
from edgekit.compress.statistics import (
    Difference,
    divergence,
    paired_difference,
    same_answers,
    top_k_hits,
)
from edgekit.runtime.timing import Ratio, interleaved, ratio

_ROUNDS = 60
_CLASSES_SHOWN = 20
_FEWEST_OF_CLASS = 3


class Flip(msgspec.Struct, frozen=True):
    """A sample that an artifact answers otherwise than the original did.

    Attributes:
        input: the sample's name.
        original: the original's answer, for people.
        artifact: the artifact's.
        label: the sample's class, where it is known.
        effect: whether that lost or won a right answer; `neither` where both are wrong, `None`
            where the class is not known.
        index: the sample's place in the data.
    """

    input: str
    original: str
    artifact: str
    label: str | None = None
    effect: Literal["lost", "won", "neither"] | None = None
    index: int = 0


class ClassChange(msgspec.Struct, frozen=True):
    """Right answers among the samples of one class that has a few.

    Without labels the original's answers are the classes, and all of them are right.
    """

    label: str
    samples: int
    was: int
    is_now: int


class Spread(msgspec.Struct, frozen=True):
    """A ratio of times: the median, and where the middle 80 % of rounds lie."""

    median: float
    low: float
    high: float


class Against(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact beside the original.

    Attributes:
        engine: what runs it.
        measured: the figures that go into the manifest.
        top1: how many more samples it gets right than the original, paired; 95 %.
        top5: the same for the five likeliest.
        latency: its time over the original's, one thread, round by round.
        milliseconds: its median time for one sample on this machine.
        changed: the samples outside calibration that changed their answer.
        classes: the classes that lost most, worst first.
    """

    engine: EngineName
    measured: Measured
    top1: Difference | None = None
    top5: Difference | None = None
    latency: Spread
    milliseconds: float
    changed: tuple[Flip, ...] = ()
    classes: tuple[ClassChange, ...] = ()


@dataclass(frozen=True)
class Subject:
    """A model that is measured, and how big its file is, as it is and as it travels."""

    candidate: Candidate
    size_bytes: int
    travels_bytes: int | None


@dataclass(frozen=True)
class Known:
    """What the original said, and what is known of the samples it said it of.

    Attributes:
        samples: the data.
        answers: the original's, float32 `[N, answer]`, to the first N samples.
        held_out: the indices of samples that were not calibrated on; none where all were.
        described: an answer, for people.
        labels: one a class.
        threshold: above which a score is anomalous, for an anomaly model.
    """

    samples: Samples
    answers: Array
    held_out: Array
    described: Callable[[Array], str]
    labels: Sequence[str] = ()
    threshold: float | None = None

    @property
    def judged(self) -> Array:
        """The indices that agreement is counted over: all, where every sample was calibrated on."""
        judged = self.held_out[self.held_out < len(self.answers)]
        return judged if len(judged) else np.arange(len(self.answers))

    @property
    def labelled(self) -> Array:
        """The indices of samples of a known class."""
        targets = self.samples.targets
        if targets is None:
            return np.array([], np.int64)
        return np.flatnonzero(targets[: len(self.answers)] >= 0)


@dataclass(frozen=True)
class Comparison:
    """The original and its artifacts.

    Attributes:
        original: the original's figures.
        milliseconds: its median time for one sample on this machine.
        held_out: on how many samples, none of them calibrated on, agreement was counted.
        artifacts: in the order in which they were given.
    """

    original: Measured
    milliseconds: float
    held_out: int
    artifacts: tuple[Against, ...]


def compare(
    original: Subject, artifacts: Sequence[Subject], known: Known, *, progress: Progress
) -> Comparison:
    """Asks the artifacts about every sample, and times all in one interleaved run.

    Accuracy is over all samples of a known class; agreement and divergence only over
    `known.judged`.

    Args:
        original: the model as it came.
        artifacts: what became of it.
        known: the original's answers.
        progress: shows how far this is.
    """
    candidates = [artifact.candidate for artifact in artifacts]
    answers = [
        answers_to(candidate, known.samples, range(len(known.answers)), progress=progress)
        for candidate in candidates
    ]
    times = _times([original.candidate, *candidates], known.samples, progress)
    found = tuple(
        _against(artifact, values, known, ratio(time, times[0]), float(np.median(time)) / 1e6)
        for artifact, values, time in zip(artifacts, answers, times[1:], strict=True)
    )
    return Comparison(
        original=_measured(original, known.answers, known),
        milliseconds=float(np.median(times[0])) / 1e6,
        held_out=len(known.judged),
        artifacts=found,
    )


def _against(
    artifact: Subject, answers: Array, known: Known, latency: Ratio, milliseconds: float
) -> Against:
    kind = artifact.candidate.output.kind
    same = same_answers(known.answers, answers, kind=kind, threshold=known.threshold)
    judged = known.judged
    measured = msgspec.structs.replace(
        _measured(artifact, answers, known),
        agreement=float(same[judged].mean()),
        kl=None
        if kind not in ("scores", "logits")
        else float(divergence(known.answers[judged], answers[judged]).mean()),
        latency_ratio=round(latency.median, 4),
    )
    return Against(
        engine=artifact.candidate.engine.name,
        measured=measured,
        top1=_difference(artifact, answers, known, 1),
        top5=_difference(artifact, answers, known, 5),
        latency=Spread(latency.median, latency.low, latency.high),
        milliseconds=milliseconds,
        changed=_flips(judged[~same[judged]], answers, known, kind),
        classes=_class_changes(answers, known) if kind in ("scores", "logits") else (),
    )


def _measured(subject: Subject, answers: Array, known: Known) -> Measured:
    return Measured(
        samples=len(known.answers),
        top1=_accuracy(subject, answers, known, 1),
        top5=_accuracy(subject, answers, known, 5),
        size_bytes=subject.size_bytes,
        travels_bytes=subject.travels_bytes,
    )


def _hits(subject: Subject, answers: Array, known: Known, k: int) -> Array | None:
    """Bool over the labelled samples; `None` where top-k accuracy says nothing."""
    scored = subject.candidate.output.kind in ("scores", "logits")
    labelled, targets = known.labelled, known.samples.targets
    if not scored or targets is None or not len(labelled) or (answers.shape[1] <= k and k > 1):
        return None
    return top_k_hits(answers[labelled], targets[labelled], k)


def _accuracy(subject: Subject, answers: Array, known: Known, k: int) -> float | None:
    hits = _hits(subject, answers, known, k)
    return None if hits is None else float(hits.mean())


def _difference(subject: Subject, answers: Array, known: Known, k: int) -> Difference | None:
    before = _hits(subject, known.answers, known, k)
    after = _hits(subject, answers, known, k)
    return None if before is None or after is None else paired_difference(before, after)


def _flips(indices: Array, answers: Array, known: Known, kind: OutputKind) -> tuple[Flip, ...]:
    """Lost right answers first, then won ones."""
    order = {"lost": 0, "won": 1, "neither": 2, None: 3}
    flips = [_flip(int(index), answers, known, kind) for index in indices]
    return tuple(sorted(flips, key=lambda flip: order[flip.effect]))


def _flip(index: int, answers: Array, known: Known, kind: OutputKind) -> Flip:
    targets = known.samples.targets
    target = -1 if targets is None or kind not in ("scores", "logits") else int(targets[index])
    was, is_now = known.answers[index], answers[index]
    effect: Literal["lost", "won", "neither"] | None = None
    if target >= 0:
        right = {int(was.argmax()): "lost", int(is_now.argmax()): "won"}
        effect = right.get(target, "neither")  # type: ignore[assignment]
    return Flip(
        input=known.samples.names[index],
        original=known.described(was),
        artifact=known.described(is_now),
        label=None if target < 0 else _label(known, target),
        effect=effect,
        index=index,
    )


def _class_changes(answers: Array, known: Known) -> tuple[ClassChange, ...]:
    """The classes that lose right answers, which an average hides: Hooker et al. 2019,
    arXiv:1911.05248.
    """
    judged = known.labelled if len(known.labelled) else known.judged
    was, is_now = known.answers[judged].argmax(axis=1), answers[judged].argmax(axis=1)
    truth = (
        known.samples.targets[judged]
        if len(known.labelled) and known.samples.targets is not None
        else was
    )
    changes = [
        ClassChange(
            label=_label(known, int(number)),
            samples=int((truth == number).sum()),
            was=int((was[truth == number] == number).sum()),
            is_now=int((is_now[truth == number] == number).sum()),
        )
        for number in np.unique(truth)
    ]
    lost = [
        change
        for change in changes
        if change.is_now < change.was and change.samples >= _FEWEST_OF_CLASS
    ]
    return tuple(sorted(lost, key=lambda change: change.is_now - change.was)[:_CLASSES_SHOWN])


def _label(known: Known, number: int) -> str:
    return known.labels[number] if number < len(known.labels) else f"class {number}"


def _times(candidates: Sequence[Candidate], samples: Samples, progress: Progress) -> list[Array]:
    """Nanoseconds a round of each, in an order that turns about."""
    tensors = [
        candidate.tensor(samples.seen_by(candidate.input).data[0]) for candidate in candidates
    ]
    progress.count("measuring latency", 0, 1)
    times = interleaved(
        {
            str(number): _run(candidate, tensor)
            for number, (candidate, tensor) in enumerate(zip(candidates, tensors, strict=True))
        },
        rounds=_ROUNDS,
    )
    progress.count("measuring latency", 1, 1)
    return list(times.values())


def _run(candidate: Candidate, tensor: Array) -> Callable[[], object]:
    return lambda: candidate.engine.run(tensor)
