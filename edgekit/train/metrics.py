"""How good a classifier's answers are.

Each metric takes what the model says, `[N, C]` with more for likelier classes, and the classes
that it should have said, int64 `[N]`; so each can be the `score` of `edgekit.train.fit`.
"""

import numpy as np
from sklearn import metrics

from edgekit.array import Array
from edgekit.errors import InputError


def accuracy(outputs: Array, targets: Array) -> float:
    """The share of samples whose likeliest class is the right one."""
    return float(np.mean(chosen(outputs) == targets))


def top_k(outputs: Array, targets: Array, k: int = 5) -> float:
    """The share of samples whose right class is among the `k` likeliest.

    Raises:
        InputError: `k` is not between 1 and the number of classes.
    """
    flat = outputs.reshape(len(outputs), -1)
    if not 1 <= k <= flat.shape[1]:
        raise InputError(f"top {k} of {flat.shape[1]} classes means nothing")
    best = np.argsort(-flat, axis=1, kind="stable")[:, :k]
    return float(np.mean((best == targets[:, np.newaxis]).any(axis=1)))


def precision(outputs: Array, targets: Array) -> float:
    """The mean over classes of how many of the samples called so are so; 0 where none is."""
    return float(
        metrics.precision_score(targets, chosen(outputs), average="macro", zero_division=0)
    )


def recall(outputs: Array, targets: Array) -> float:
    """The mean over classes of how many of the samples that are so are called so."""
    return float(metrics.recall_score(targets, chosen(outputs), average="macro", zero_division=0))


def f1(outputs: Array, targets: Array) -> float:
    """The mean over classes of the harmonic mean of precision and recall."""
    return float(metrics.f1_score(targets, chosen(outputs), average="macro", zero_division=0))


def roc_auc(outputs: Array, targets: Array) -> float:
    """The probability that a sample of a class gets a higher score for it than one of another.

    The mean over the classes that some but not all samples are of. `outputs` may also be `[N]`,
    the score of class 1 of 2.

    Raises:
        InputError: all samples are of one class.
    """
    if outputs.ndim == 1:
        outputs = np.stack([-outputs, outputs], axis=1)
    flat = outputs.reshape(len(outputs), -1)
    classes = [c for c in range(flat.shape[1]) if 0 < np.sum(targets == c) < len(targets)]
    if not classes:
        raise InputError("the area under the ROC curve needs samples of two classes")
    areas = [metrics.roc_auc_score(targets == c, flat[:, c]) for c in classes]
    return float(np.mean(areas))


def confusion_matrix(outputs: Array, targets: Array) -> Array:
    """How many samples of each class (row) were called each class (column), int64 `[C, C]`."""
    classes = outputs.reshape(len(outputs), -1).shape[1]
    counts: Array = metrics.confusion_matrix(targets, chosen(outputs), labels=range(classes))
    return counts


def chosen(outputs: Array) -> Array:
    """The likeliest class of each sample, int64 `[N]`."""
    likeliest: Array = outputs.reshape(len(outputs), -1).argmax(axis=1)
    return likeliest
