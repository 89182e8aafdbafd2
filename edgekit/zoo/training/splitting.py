"""Cuts samples into those to learn from and those to judge by."""

from collections.abc import Iterator

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.zoo.training.material import Material


def split(material: Material, share: float, *, seed: int) -> tuple[Array, Array]:
    """Numbers of the samples to train with and to validate with, int64, each in order.

    Classes are dealt out evenly. Windows that overlap are cut in time: the last ones validate, and
    those that share rows with them are left out.

    Args:
        material: the samples.
        share: of them that validate.
        seed: of the order in which they are dealt out.

    Raises:
        InputError: there are too few samples.
    """
    count = len(material)
    held = max(1, round(count * share))
    if material.overlap:
        training, validation = np.arange(count - held - material.overlap), np.arange(count)[-held:]
    elif count < 2:
        training = validation = np.arange(0)
    else:
        training, validation = train_test_split(
            np.arange(count), test_size=held, random_state=seed, stratify=_strata(material, held)
        )
    if not len(training) or not len(validation):
        raise InputError(f"{count} samples are too few to train with and to validate with")
    return np.sort(training), np.sort(validation)


def cut(material: Material, folds: int, *, seed: int) -> Iterator[tuple[Array, Array]]:
    """The same for cross-validation: each sample validates once.

    Raises:
        InputError: samples overlap, or there are fewer of them, or of a class, than folds.
    """
    if material.overlap:
        raise InputError(
            "folds of windows that overlap would validate what they learned from; "
            "say validation = 0.2, or a hop of the window's length"
        )
    fewest, kind = len(material), KFold
    if material.has_classes:
        assert material.targets is not None
        fewest, kind = (
            int(np.unique(material.targets, return_counts=True)[1].min()),
            StratifiedKFold,
        )
    if folds > fewest:
        raise InputError(f"{fewest} samples (of the rarest class) cannot be cut into {folds} folds")
    dealt = kind(folds, shuffle=True, random_state=seed)
    yield from dealt.split(np.zeros(len(material)), material.targets)


def _strata(material: Material, held: int) -> Array | None:
    """The classes, if each has enough samples for both parts."""
    if not material.has_classes:
        return None
    assert material.targets is not None
    counts = np.unique(material.targets, return_counts=True)[1]
    is_enough = counts.min() >= 2 and len(counts) <= min(held, len(material) - held)
    return material.targets if is_enough else None
