"""The tiny quantum-kernel classifier, from a table of features to one ONNX graph.

Havlíček et al., 2019, Nature 567, 209; `docs/quantum.md` has the mathematics.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn import datasets

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, WindowRule
from edgekit.compress.trained import TrainedModel
from edgekit.config import nearest
from edgekit.errors import InputError
from edgekit.quantum.compiler import compile_kernel_machine, eigen_observables
from edgekit.quantum.feature_map import Entanglement, ZZFeatureMap
from edgekit.quantum.kernel_machine import compare_with_rbf

BANDWIDTHS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.3)
REGULARIZATION = (1.0, 10.0, 100.0, 1000.0)


class Dataset(NamedTuple):
    """A table to learn from.

    Attributes:
        features: float64 `[N, F]`.
        targets: int64 `[N]`, classes from 0 up.
        columns: what each feature is called.
        labels: what each class is called.
    """

    features: Array
    targets: Array
    columns: tuple[str, ...]
    labels: tuple[str, ...]


def load_dataset(name: str) -> Dataset:
    """A dataset that ships with scikit-learn: `breast_cancer`, `digits` or `wine`.

    Raises:
        InputError: there is no dataset of that name.
    """
    loaders = {
        "breast_cancer": datasets.load_breast_cancer,
        "digits": datasets.load_digits,
        "wine": datasets.load_wine,
    }
    if name not in loaders:
        raise InputError(f"there is no dataset {name!r}; {nearest(name, list(loaders))}")
    loaded = loaders[name]()
    return Dataset(
        features=loaded.data.astype(np.float64),
        targets=loaded.target.astype(np.int64),
        columns=tuple(map(str, loaded.feature_names)),
        labels=tuple(map(str, loaded.target_names)),
    )


def build_quantum_kernel(
    features: Array,
    targets: Array,
    *,
    columns: tuple[str, ...],
    labels: tuple[str, ...],
    name: str = "quantum-kernel",
    qubits: int = 6,
    reps: int = 2,
    entanglement: Entanglement = "full",
    bandwidths: tuple[float, ...] = BANDWIDTHS,
    regularization: tuple[float, ...] = REGULARIZATION,
    test_share: float = 0.25,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Trains a quantum-kernel SVM, measures it beside an RBF SVM, and compiles it.

    The graph takes `features` float32 `[1, F]` in the data's own units and gives `scores` float32
    `[1, C]`, probabilities whose arg max is the SVM's decision. Only the samples that are not held
    out for the test train it; the accuracies among the facts are on those held out.

    Args:
        features: float `[N, F]`, finite.
        targets: integers `[N]`, classes from 0 up.
        columns: F names, one a feature, none empty and no two the same.
        labels: C names, one a class.
        name: of the bundle.
        qubits: how many principal components become angles, 1 to 8.
        reps: layers of the feature map.
        entanglement: which qubits are entangled, `full` or `linear`.
        bandwidths: scales of the angles to choose from.
        regularization: values of the SVM's C to choose from.
        test_share: the share of samples held out for the test.
        folds: of the cross-validation that chooses.
        seed: of the split and the folds, 0 to 2^32 - 1.
        progress: told (done, total) as cross-validation goes on.

    Raises:
        InputError: the data or a setting cannot be used; one line says which and why.
    """
    feature_map = ZZFeatureMap(qubits, reps, entanglement)
    _check_settings(bandwidths, regularization, test_share, folds, seed)
    _check_columns(columns)
    features = _checked_features(features, columns, qubits)
    targets = _checked_targets(targets, len(features), labels)
    _check_counts(targets, labels, test_share, folds)
    compared = compare_with_rbf(
        features,
        targets,
        feature_map,
        bandwidths=bandwidths,
        regularization=regularization,
        test_share=test_share,
        folds=folds,
        seed=seed,
        progress=progress,
    )
    machine = compared.machine
    observables = eigen_observables(machine.support_states(), machine.dual)
    return TrainedModel(
        name=name,
        model=compile_kernel_machine(machine, observables, name),
        task="classification",
        input=InputSpec(
            name="features",
            dtype="float32",
            shape=(1, len(columns)),
            window=WindowRule(length=1, hop=1, columns=tuple(columns)),
        ),
        output=OutputSpec(name="scores", kind="scores"),
        labels=tuple(labels),
        facts={
            "quantum accuracy": compared.accuracy,
            "RBF SVM accuracy": compared.rbf_accuracy,
            "RBF SVM accuracy, all features": compared.rbf_accuracy_all_features,
            "test samples": float(compared.test_samples),
            "qubits": float(qubits),
            "bandwidth": machine.bandwidth,
            "C": machine.regularization,
            "support vectors": float(len(machine.dual)),
            "observable rank": float(len(observables.vectors)),
        },
    )


def _check_settings(
    bandwidths: tuple[float, ...],
    regularization: tuple[float, ...],
    test_share: float,
    folds: int,
    seed: int,
) -> None:
    for name, values in (("bandwidths", bandwidths), ("regularization", regularization)):
        if not len(values) or not all(math.isfinite(value) and value > 0 for value in values):
            raise InputError(f"{name} are {list(values)}: they must be one or more numbers above 0")
    if not 0 < test_share < 1:
        raise InputError(f"test_share is {test_share}, it must lie between 0 and 1")
    if folds < 2:
        raise InputError(f"folds is {folds}, cross-validation needs at least 2")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}, it must lie between 0 and 2^32 - 1")


def _check_columns(columns: tuple[str, ...]) -> None:
    """The board finds each reading by its column's name."""
    seen: set[str] = set()
    for number, column in enumerate(columns):
        if not column.strip():
            raise InputError(f"column {number} has no name: every feature needs one")
        if column in seen:
            raise InputError(f"two columns are named {column!r}; rename one")
        seen.add(column)


def _checked_features(features: Array, columns: tuple[str, ...], qubits: int) -> Array:
    """The features as the board will see them: float32, held in float64 `[N, F]`."""
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] != len(columns) or features.dtype.kind not in "fiub":
        raise InputError(
            f"features are {features.dtype} {list(features.shape)}, "
            f"not numbers [N, {len(columns)}], one for each column"
        )
    if qubits > len(columns):
        raise InputError(f"{qubits} qubits need as many features, here are {len(columns)}")
    with np.errstate(over="ignore"):
        seen = features.astype(np.float32)
    wrong = np.argwhere(~np.isfinite(seen))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(
            f"features hold {features[row, column]} in row {row}, column {columns[column]!r}: "
            "remove or fill what is not a finite float32"
        )
    return seen.astype(np.float64)


def _checked_targets(targets: Array, count: int, labels: tuple[str, ...]) -> Array:
    targets = np.asarray(targets)
    if targets.shape != (count,) or targets.dtype.kind not in "iub":
        raise InputError(
            f"targets are {targets.dtype} {list(targets.shape)}, not integers [{count}], "
            "one for each row of features"
        )
    if len(labels) < 2:
        raise InputError(f"{len(labels)} labels: a classifier needs at least 2 classes")
    if count and not (targets.min() >= 0 and targets.max() < len(labels)):
        raise InputError(
            f"targets go from {targets.min()} to {targets.max()}, "
            f"{len(labels)} labels are for 0 to {len(labels) - 1}"
        )
    return targets.astype(np.int64)


def _check_counts(targets: Array, labels: tuple[str, ...], test_share: float, folds: int) -> None:
    """Every class must reach each fold and the test."""
    needed = max(math.ceil(folds / (1 - test_share)), math.ceil(1 / test_share)) + 1
    counts = np.bincount(targets, minlength=len(labels))
    fewest = int(counts.argmin())
    if counts[fewest] < needed:
        raise InputError(
            f"class {labels[fewest]!r} has {counts[fewest]} samples; {folds} folds and a test "
            f"share of {test_share} need at least {needed} of each class"
        )
