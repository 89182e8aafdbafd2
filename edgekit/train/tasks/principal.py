"""Principal components as graphs: an encoder, and a model that finds what does not fit them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from sklearn.decomposition import PCA
from sklearn.model_selection import KFold

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder

_FOLDS = 5


@dataclass(frozen=True)
class Principal:
    """What principal component analysis found.

    Attributes:
        encoder: gives `features` float32 `[1, K]`, the coordinates along the components.
        model: gives `reconstruction` of the input's shape; a bundle of it is an anomaly model,
            whose score is the mean squared distance from the input.
        share: of the variance that the components explain.
        residuals: float64 `[N]`, that score of each sample by components of the others.
    """

    encoder: ir.Model
    model: ir.Model
    share: float
    residuals: Array

    def threshold(self, false_alarm_rate: float) -> float:
        """The score that this share of samples like these exceeds."""
        return float(np.quantile(self.residuals, 1 - false_alarm_rate))


def principal_components(
    inputs: Array, *, count: int | None = None, share: float = 0.95, seed: int = 0
) -> Principal:
    """The directions along which samples differ most.

    Pearson, 1901, Philosophical Magazine 2, 559; by scikit-learn.

    Args:
        inputs: float32 `[N, ...]`, unlabelled samples, at least 10.
        count: how many components; `None` for as many as explain `share`.
        share: of the variance, between 0 and 1.
        seed: of how samples are dealt out to judge the residuals.

    Raises:
        InputError: there are too few samples for so many components, or `share` is out of range.
    """
    flat = inputs.reshape(len(inputs), -1).astype(np.float64)
    most = min(flat.shape[1], len(flat) - -(-len(flat) // _FOLDS))
    if len(flat) < 2 * _FOLDS or not 0 < share < 1 or (count and not 1 <= count <= most):
        raise InputError(
            f"{len(flat)} samples of {flat.shape[1]} numbers do not give {count or share} "
            f"components; give at least {2 * _FOLDS} samples, and a count up to {most} or a share "
            "between 0 and 1"
        )
    found = PCA(count or share, svd_solver="full").fit(flat)
    residuals = np.zeros(len(flat))
    for others, judged in KFold(_FOLDS, shuffle=True, random_state=seed).split(flat):
        fold = PCA(min(found.n_components_, most), svd_solver="full").fit(flat[others])
        made = fold.inverse_transform(fold.transform(flat[judged]))
        residuals[judged] = np.square(made - flat[judged]).mean(axis=1)
    explained = float(found.explained_variance_ratio_.sum())
    shape = inputs.shape[1:]
    return Principal(_encoder(found, shape), _model(found, shape), explained, residuals)


def raw_features(shape: Sequence[int]) -> ir.Model:
    """An encoder whose features are the numbers of its input.

    Args:
        shape: of a sample, without the batch's axis.
    """
    build = GraphBuilder("raw")
    flat = build.op("Flatten", build.input("x", np.float32, (1, *shape)), axis=1)
    return build.finish(features=(flat, np.float32, (1, math.prod(shape))))


def _encoder(found: PCA, shape: Sequence[int]) -> ir.Model:
    build = GraphBuilder("principal")
    code = _code(build, found, shape)
    return build.finish(features=(code, np.float32, (1, found.n_components_)))


def _model(found: PCA, shape: Sequence[int]) -> ir.Model:
    build = GraphBuilder("principal")
    back = found.components_.astype(np.float32), found.mean_.astype(np.float32)
    made = build.op("Gemm", _code(build, found, shape), *back)
    made = build.op("Reshape", made, np.array([1, *shape]))
    return build.finish(reconstruction=(made, np.float32, (1, *shape)))


def _code(build: GraphBuilder, found: PCA, shape: Sequence[int]) -> ir.Value:
    flat = build.op("Flatten", build.input("x", np.float32, (1, *shape)), axis=1)
    offset = -found.components_ @ found.mean_
    weights = found.components_.T.astype(np.float32)
    return build.op("Gemm", flat, weights, offset.astype(np.float32))
