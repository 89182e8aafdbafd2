"""The quantum-kernel classifier: trained, calibrated, and measured beside an RBF SVM."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import train_test_split

from edgekit.array import Array
from edgekit.quantum.feature_map import ZZFeatureMap
from edgekit.quantum.kernel_svm import Grid, decided, train_svm
from edgekit.quantum.statevector import kernel, states

RBF_WIDTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""What the RBF SVM's width is chosen from: its gamma is the width's square."""

_STEEPEST, _FLATTEST = 1e3, 1e-3


@dataclass(frozen=True)
class QuantumKernel:
    """The fidelity |<a|b>|^2 of the states that a feature map prepares.

    Havlíček et al., 2019, Nature 567, 209. The width is the *bandwidth* of Shaydulin and Wild,
    2022, "Importance of kernel bandwidth in quantum machine learning", Phys. Rev. A 106, 042407:
    at 1 all states are nearly orthogonal and little is learnt.
    """

    feature_map: ZZFeatureMap

    def embed(self, inputs: Array, width: float) -> Array:
        """States, complex128 `[B, 2^qubits]`, of inputs float64 `[B, qubits]`."""
        return states(self.feature_map, inputs * width)

    def gram(self, left: Array, right: Array) -> Array:
        """The kernel, float64 `[A, B]`."""
        return kernel(left, right)


@dataclass(frozen=True)
class RadialKernel:
    """exp(-|a - b|^2) of scaled inputs: the classical kernel to be measured against."""

    def embed(self, inputs: Array, width: float) -> Array:
        """The scaled inputs."""
        return inputs * width

    def gram(self, left: Array, right: Array) -> Array:
        """The kernel, float64 `[A, B]`."""
        squares = np.square(left).sum(axis=1)[:, np.newaxis] + np.square(right).sum(axis=1)
        similarity: Array = np.exp(2 * left @ right.T - squares)
        return similarity


@dataclass(frozen=True)
class KernelMachine:
    """A trained quantum-kernel SVM with probabilities: what the compiler compiles.

    Attributes:
        feature_map: the circuit.
        weights: float64 `[F, qubits]`; features times these plus `bias` are the angles.
        bias: float64 `[qubits]`.
        support_angles: the support vectors as angles, float64 `[M, qubits]`.
        dual: their signed coefficients, float64 `[M, D]`; D is 1 for two classes, else C.
        intercept: float64 `[D]`.
        steepness: what decisions are multiplied by before they become probabilities.
        bandwidth: the scale of the angles, already in `weights`, `bias` and `support_angles`.
        regularization: the SVM's C.
    """

    feature_map: ZZFeatureMap
    weights: Array
    bias: Array
    support_angles: Array
    dual: Array
    intercept: Array
    steepness: float
    bandwidth: float
    regularization: float

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return max(2, len(self.intercept))

    def support_states(self) -> Array:
        """The support vectors as states, complex128 `[M, 2^qubits]`."""
        return states(self.feature_map, self.support_angles)

    def decisions(self, features: Array) -> Array:
        """The SVM's decisions, float64 `[B, D]`, on features `[B, F]`."""
        angles = features @ self.weights + self.bias
        overlaps = kernel(states(self.feature_map, angles), self.support_states())
        decisions: Array = overlaps @ self.dual + self.intercept
        return decisions

    def accuracy(self, features: Array, targets: Array) -> float:
        """The share of samples that get their class."""
        return float((decided(self.decisions(features)) == targets).mean())

    def logits(self, decisions: Array) -> Array:
        """What a softmax turns into probabilities: `[..., C]` of `[..., D]`, a linear map."""
        return self.steepness * _per_class(decisions)


@dataclass(frozen=True)
class Comparison:
    """A machine, and accuracies on test samples that no training, scaling or choice has seen.

    Attributes:
        machine: the quantum-kernel machine.
        accuracy: its accuracy.
        rbf_accuracy: of an RBF SVM on the same components, tuned on the same folds.
        rbf_accuracy_all_features: of one that sees every feature.
        test_samples: how many there were.
    """

    machine: KernelMachine
    accuracy: float
    rbf_accuracy: float
    rbf_accuracy_all_features: float
    test_samples: int


def compare_with_rbf(
    features: Array,
    targets: Array,
    feature_map: ZZFeatureMap,
    *,
    bandwidths: Sequence[float],
    regularization: Sequence[float],
    test_share: float = 0.25,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Trains a quantum-kernel machine, and RBF SVMs beside it, and tests all on held-out samples.

    Args:
        features: float64 `[N, F]`, finite.
        targets: int64 `[N]`, classes from 0 up, each with at least `folds` training samples.
        feature_map: the circuit.
        bandwidths: the scales to choose from.
        regularization: the values of C to choose from, for the RBF SVMs too.
        test_share: the share of samples held out for the test, stratified.
        folds: of the cross-validation.
        seed: of the split and of the folds.
        progress: told (done, total) as cross-validation goes on.

    Raises:
        InputError: there are too few samples or features for so many qubits.
    """
    train, test, train_targets, test_targets = train_test_split(
        features, targets, test_size=test_share, random_state=seed, stratify=targets
    )
    tick = _ticker(progress, folds * (len(bandwidths) + 2 * len(RBF_WIDTHS)))
    quantum_grid = Grid(bandwidths, regularization, folds, seed)
    rbf_grid = Grid(RBF_WIDTHS, regularization, folds, seed)
    components = feature_map.qubits

    machine = fit_kernel_machine(train, train_targets, feature_map, quantum_grid, tick=tick)
    rbf_accuracy, rbf_accuracy_all_features = (
        train_svm(
            RadialKernel(), train, train_targets, rbf_grid, components=count, tick=tick
        ).accuracy(test, test_targets)
        for count in (components, None)
    )
    return Comparison(
        machine=machine,
        accuracy=machine.accuracy(test, test_targets),
        rbf_accuracy=rbf_accuracy,
        rbf_accuracy_all_features=rbf_accuracy_all_features,
        test_samples=len(test),
    )


def fit_kernel_machine(
    features: Array,
    targets: Array,
    feature_map: ZZFeatureMap,
    grid: Grid,
    *,
    tick: Callable[[], None] = lambda: None,
) -> KernelMachine:
    """Trains on all samples given; the grid's widths are the bandwidths.

    Args:
        features: float64 `[N, F]`, finite.
        targets: int64 `[N]`, classes from 0 up.
        feature_map: the circuit.
        grid: what cross-validation chooses from.
        tick: called `folds * widths` times.

    Raises:
        InputError: there are too few samples or features for so many qubits.
    """
    svm = train_svm(
        QuantumKernel(feature_map),
        features,
        targets,
        grid,
        components=feature_map.qubits,
        tick=tick,
    )
    return KernelMachine(
        feature_map=feature_map,
        weights=svm.reduction.weights * svm.width,
        bias=svm.reduction.bias * svm.width,
        support_angles=svm.support * svm.width,
        dual=svm.dual,
        intercept=svm.intercept,
        steepness=fitted_steepness(svm.cross_validated, targets),
        bandwidth=svm.width,
        regularization=svm.regularization,
    )


def fitted_steepness(decisions: Array, targets: Array) -> float:
    """The factor on decisions whose probabilities have the smallest log loss.

    There is no offset, so the likeliest class stays the SVM's. Targets are softened as in Platt,
    1999, "Probabilistic outputs for support vector machines", which keeps the factor finite where
    decisions separate the classes. The loss is convex: its slope is bisected.

    Args:
        decisions: on samples left out of training, float64 `[N, D]`.
        targets: int64 `[N]`.
    """
    units = _per_class(decisions)
    counts = np.bincount(targets, minlength=units.shape[1])[:, np.newaxis]
    softened = (np.eye(len(counts)) * counts + 1) / (counts + len(counts))
    wanted = softened[targets]
    low, high = np.log(_FLATTEST), np.log(_STEEPEST)
    for _ in range(50):
        middle = (low + high) / 2
        slope = ((_softmax(np.exp(middle) * units) - wanted) * units).sum()
        low, high = (low, middle) if slope > 0 else (middle, high)
    return float(np.exp(low))


def _per_class(decisions: Array) -> Array:
    """One decision a class; of a single one, half for and half against: sigmoid by softmax."""
    if decisions.shape[-1] == 1:
        return np.concatenate([-decisions / 2, decisions / 2], axis=-1)
    return decisions


def _softmax(logits: Array) -> Array:
    powers: Array = np.exp(logits - logits.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def _ticker(progress: Callable[[int, int], None] | None, total: int) -> Callable[[], None]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return tick
