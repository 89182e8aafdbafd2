"""Finds signs that the data is not what the model was trained on: its range above all.

A file does not say in which range a model's numbers were. But inputs that are far too small leave
every answer the same, inputs that are far too large saturate every activation, and either way the
artifact agrees with an original that says nothing.
"""

import numpy as np

from edgekit.array import Array
from edgekit.bundle.manifest import OutputKind
from edgekit.compress.statistics import top_k_accuracy

_FEWEST = 8
_LEAST_INFORMATION = 0.02
_SURE = 0.9995
_UNLIKE = 50.0


def suspicions(
    answers: Array, targets: Array | None, ranges: Array, *, kind: OutputKind
) -> list[str]:
    """What is odd about a model's answers to the data, each a line for a person.

    Args:
        answers: the original's `[N, answer]`.
        targets: the class of each sample, -1 where it is not known.
        ranges: the least and the greatest number of each input tensor, `[N, 2]`.
        kind: what the answers are.
    """
    if len(answers) < _FEWEST:
        return []
    found = []
    spans = np.abs(ranges).max(axis=1)
    usual = float(np.median(spans))
    if usual > 0 and spans.max() > _UNLIKE * usual:
        found.append(
            f"the samples are of unlike range: one reaches {spans.max():.4g} where half stay "
            f"within {usual:.4g}; are some of them not scaled?"
        )
    seen = f"inputs from {ranges[:, 0].min():.4g} to {ranges[:, 1].max():.4g}"
    if kind not in ("scores", "logits"):
        if float(answers.std(axis=0).max()) <= 1e-6 * max(1.0, float(np.abs(answers).max())):
            found.append(f"the original answers every sample alike ({seen}): wrong range?")
        return found
    accuracy = None if targets is None else top_k_accuracy(answers, targets[: len(answers)], 1)
    classes = answers.shape[1]
    known = 0 if targets is None else int((targets[: len(answers)] >= 0).sum())
    if (
        accuracy is not None
        and known >= 10
        and accuracy < 0.5
        and _is_chance(accuracy, known, classes)
    ):
        found.append(
            f"the original is right on {accuracy:.1%} of {known} labelled samples, which is what "
            f"guessing among {classes} classes gives ({seen}): wrong range, channels or labels?"
        )
    if _information(answers) < _LEAST_INFORMATION:
        found.append(
            f"the original's answer hardly depends on the sample ({seen}): are the inputs in the "
            "range that it was trained on?"
        )
    elif classes > 2 and np.mean(answers.max(axis=1) > _SURE) > 0.95:
        found.append(
            f"the original is wholly sure of nearly every answer ({seen}): if that is not to be "
            "expected, its activations saturate, and the inputs are larger than in training"
        )
    return found


def _is_chance(accuracy: float, samples: int, classes: int) -> bool:
    """Whether guessing would be as good, give or take two standard errors."""
    chance = 1 / classes
    return bool(accuracy <= chance + 2 * np.sqrt(chance * (1 - chance) / samples))


def _information(answers: Array) -> float:
    """Mutual information of sample and answer, nats: the mean divergence from the mean answer."""
    p = answers.astype(np.float64).clip(1e-12, 1)
    return float((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean())
