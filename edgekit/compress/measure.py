"""Measures an artifact against the model it came from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Measured, Measurements
from edgekit.compress.answers import Candidate
from edgekit.compress.data import Samples
from edgekit.compress.progress import Progress
from edgekit.compress.statistics import top_k_accuracy
from edgekit.runtime.timing import Ratio, interleaved, ratio

_ROUNDS = 60
_RAW_TOLERANCE = 0.05


@dataclass(frozen=True)
class Flip:
    """A sample that the artifact answers otherwise than the original did."""

    name: str
    original: str
    artifact: str


@dataclass(frozen=True)
class Comparison:
    """The artifact beside the original.

    Attributes:
        measured: the figures that go into the manifest.
        held_out: on how many samples, none of them calibrated on, agreement was counted.
        latency: the artifact's time over the original's, one thread, round by round.
        flips: the held-out samples that changed their answer.
    """

    measured: Measurements
    held_out: int
    latency: Ratio
    flips: tuple[Flip, ...]


def compare(
    original: Candidate,
    artifact: Candidate,
    samples: Samples,
    held_out: Array,
    *,
    original_bytes: int,
    artifact_bytes: int,
    described: Callable[[Array], str],
    threshold: float | None,
    progress: Progress,
) -> Comparison:
    """Asks both about every sample, and times both in one interleaved run.

    Accuracy is over all samples of a known class; agreement only over `held_out`, or over all
    where every sample was calibrated on.

    Args:
        original: the model as it came.
        artifact: what became of it.
        samples: the data.
        held_out: the indices of samples that were not calibrated on.
        original_bytes: the size of the original's file.
        artifact_bytes: the size of the artifact's file.
        described: an answer, for people.
        threshold: above which a score is anomalous, for an anomaly model.
        progress: shows how far this is.
    """
    before, after = [], []
    for sample in progress.track(samples.data, "measuring accuracy", total=len(samples)):
        before.append(original.answer(sample))
        after.append(artifact.answer(sample))
    was, is_now = np.stack(before), np.stack(after)
    same = _agreement(was, is_now, kind=artifact.output.kind, threshold=threshold)
    judged = held_out if len(held_out) else np.arange(len(samples))
    flips = [
        Flip(samples.names[i], described(was[i]), described(is_now[i]))
        for i in judged
        if not same[i]
    ]
    latency = _latency(original, artifact, samples, progress)

    def figures(answers: Array, size_bytes: int) -> Measured:
        scored = artifact.output.kind in ("scores", "logits") and samples.targets is not None
        targets = samples.targets if samples.targets is not None else np.array([])
        return Measured(
            samples=len(samples),
            top1=top_k_accuracy(answers, targets, 1) if scored else None,
            top5=top_k_accuracy(answers, targets, 5) if scored else None,
            agreement=float(same[judged].mean()) if answers is is_now else None,
            size_bytes=size_bytes,
            latency_ratio=round(latency.median, 4) if answers is is_now else None,
        )

    return Comparison(
        Measurements(
            original=figures(was, original_bytes), artifact=figures(is_now, artifact_bytes)
        ),
        len(judged),
        latency,
        tuple(flips),
    )


def _agreement(was: Array, is_now: Array, *, kind: str, threshold: float | None) -> Array:
    """Bool `[N]`: same class, same verdict, or, for raw values, within 5 % of their spread."""
    if kind in ("scores", "logits"):
        same: Array = was.argmax(axis=1) == is_now.argmax(axis=1)
    elif threshold is not None:
        same = (was[:, 0] > threshold) == (is_now[:, 0] > threshold)
    else:
        spread = max(float(was.std()), 1e-12)
        same = np.abs(is_now - was).max(axis=1) <= _RAW_TOLERANCE * spread
    return same


def _latency(
    original: Candidate, artifact: Candidate, samples: Samples, progress: Progress
) -> Ratio:
    before, after = original.tensor(samples.data[0]), artifact.tensor(samples.data[0])
    progress.count("measuring latency", 0, 1)
    times = interleaved(
        {
            "original": lambda: original.engine.run(before),
            "artifact": lambda: artifact.engine.run(after),
        },
        rounds=_ROUNDS,
    )
    progress.count("measuring latency", 1, 1)
    return ratio(times["artifact"], times["original"])
