"""A support vector machine on any kernel, its width and C chosen by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC

from edgekit.array import Array
from edgekit.errors import InputError


class Kernel(Protocol):
    """A similarity of inputs: they are embedded one by one, and then compared two by two."""

    def embed(self, inputs: Array, width: float) -> Array:
        """What is compared of each input `[B, n]` when it is scaled by `width`: `[B, anything]`."""
        ...

    def gram(self, left: Array, right: Array) -> Array:
        """The similarity of every embedded input of `left` to each of `right`, `[A, B]`."""
        ...


@dataclass(frozen=True)
class Grid:
    """What cross-validation chooses from, and how."""

    widths: Sequence[float]
    regularization: Sequence[float]
    folds: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Reduction:
    """Standardisation and principal components as one affine map.

    Attributes:
        weights: float64 `[F, n]`.
        bias: float64 `[n]`.
    """

    weights: Array
    bias: Array

    def __call__(self, features: Array) -> Array:
        """The components, float64 `[B, n]`, of features `[B, F]`; the first has variance 1."""
        reduced: Array = features @ self.weights + self.bias
        return reduced


@dataclass(frozen=True)
class KernelSVM:
    """One decision for two classes, else one a class against the rest.

    Attributes:
        kernel: the similarity.
        reduction: fitted on the training data.
        width: the chosen scale of the components.
        regularization: the chosen C.
        support: the support vectors of all decisions before they are scaled, float64 `[M, n]`.
        dual: their signed coefficients, float64 `[M, D]`.
        intercept: float64 `[D]`.
        cross_validated: what the decisions were on training data that was left out, `[N, D]`.
    """

    kernel: Kernel
    reduction: Reduction
    width: float
    regularization: float
    support: Array
    dual: Array
    intercept: Array
    cross_validated: Array

    def decisions(self, features: Array) -> Array:
        """float64 `[B, D]` of features `[B, F]`."""
        new = self.kernel.embed(self.reduction(features), self.width)
        known = self.kernel.embed(self.support, self.width)
        decisions: Array = self.kernel.gram(new, known) @ self.dual + self.intercept
        return decisions

    def accuracy(self, features: Array, targets: Array) -> float:
        """The share of samples that get their class."""
        return float((decided(self.decisions(features)) == targets).mean())


def train_svm(
    kernel: Kernel,
    features: Array,
    targets: Array,
    grid: Grid,
    *,
    components: int | None,
    tick: Callable[[], None] = lambda: None,
) -> KernelSVM:
    """Chooses width and C by stratified cross-validation, then trains on everything.

    Scaling and principal components are fitted inside each fold, so that nothing of the samples
    left out leaks in. Of equally accurate candidates the one with the smallest C wins, then the
    one with the largest width.

    Args:
        kernel: the similarity.
        features: float64 `[N, F]`.
        targets: int64 `[N]`, classes from 0 up.
        grid: the candidates.
        components: how many principal components the kernel sees; `None` is all there are.
        tick: called `folds * widths` times.

    Raises:
        InputError: there are too few samples or features for so many components.
    """
    decisions = _left_out_decisions(kernel, features, targets, grid, components, tick)
    correct = (decided(decisions) == targets).sum(axis=-1)
    best = max(
        np.ndindex(correct.shape),
        key=lambda at: (correct[at], -grid.regularization[at[1]], grid.widths[at[0]]),
    )
    width, regularization = grid.widths[best[0]], grid.regularization[best[1]]
    reduction = principal_components(features, components)
    inputs = reduction(features)
    known = kernel.embed(inputs, width)
    dual, intercept = _solve(kernel.gram(known, known), targets, regularization)
    used = dual.any(axis=1)
    return KernelSVM(
        kernel=kernel,
        reduction=reduction,
        width=width,
        regularization=regularization,
        support=inputs[used],
        dual=dual[used],
        intercept=intercept,
        cross_validated=decisions[best],
    )


def decided(decisions: Array) -> Array:
    """The class that each row of decisions `[..., D]` means."""
    if decisions.shape[-1] == 1:
        return np.asarray(decisions[..., 0] > 0, np.int64)
    best: Array = decisions.argmax(axis=-1)
    return best


def principal_components(features: Array, components: int | None) -> Reduction:
    """Fits standardisation and principal components; all share the scale of the first.

    Args:
        features: float64 `[N, F]`.
        components: how many to keep; `None` is all there are.

    Raises:
        InputError: there are fewer samples or features than components, or nothing varies.
    """
    if components is not None and components > min(features.shape):
        samples, width = features.shape
        raise InputError(
            f"{components} components need as many features and training samples, "
            f"here are {width} and {samples}"
        )
    mean, spread = features.mean(axis=0), features.std(axis=0)
    if not spread.any():
        raise InputError("every feature is constant: there is nothing to learn from")
    spread[spread == 0] = 1
    _, lengths, axes = np.linalg.svd((features - mean) / spread, full_matrices=False)
    axes = axes[:components].T
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    scale = np.sign(largest) * np.sqrt(len(features)) / lengths[0]
    weights = axes * scale / spread[:, np.newaxis]
    return Reduction(weights, -mean @ weights)


def _left_out_decisions(
    kernel: Kernel,
    features: Array,
    targets: Array,
    grid: Grid,
    components: int | None,
    tick: Callable[[], None],
) -> Array:
    """Every candidate's decisions on samples it was not trained on, `[widths, Cs, N, D]`."""
    shape = (len(grid.widths), len(grid.regularization), len(targets), len(_one_vs_rest(targets)))
    decisions = np.empty(shape)
    folds = StratifiedKFold(grid.folds, shuffle=True, random_state=grid.seed)
    for inside, outside in folds.split(features, targets):
        reduction = principal_components(features[inside], components)
        for w, width in enumerate(grid.widths):
            known = kernel.embed(reduction(features[inside]), width)
            new = kernel.embed(reduction(features[outside]), width)
            gram, across = kernel.gram(known, known), kernel.gram(new, known)
            for c, regularization in enumerate(grid.regularization):
                dual, intercept = _solve(gram, targets[inside], regularization)
                decisions[w, c, outside] = across @ dual + intercept
            tick()
    return decisions


def _solve(gram: Array, targets: Array, regularization: float) -> tuple[Array, Array]:
    """Dual coefficients `[N, D]`, most of them zero, and intercepts `[D]`."""
    problems = _one_vs_rest(targets)
    dual, intercept = np.zeros((len(gram), len(problems))), np.empty(len(problems))
    for number, positive in enumerate(problems):
        svm = SVC(kernel="precomputed", C=regularization).fit(gram, positive)
        dual[svm.support_, number] = svm.dual_coef_[0]
        intercept[number] = svm.intercept_[0]
    return dual, intercept


def _one_vs_rest(targets: Array) -> list[Array]:
    """Which samples are positive in each problem; two classes make one."""
    classes = range(int(targets.max()) + 1)
    return [targets == label for label in (classes if len(classes) > 2 else classes[1:])]
