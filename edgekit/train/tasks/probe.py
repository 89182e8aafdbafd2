"""Turns an encoder and a few labelled samples into a classifier."""

import numpy as np
import onnx_ir as ir
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.edit import add_initializer
from edgekit.learning.arrays import Arrays
from edgekit.train.compiling import compile_step
from edgekit.train.fitting import fit
from edgekit.train.losses import CrossEntropy
from edgekit.train.optimizers import Adam
from edgekit.train.schedules import Schedule
from edgekit.train.tasks.embedding import embed
from edgekit.train.tasks.heads import HeadBuilder

HEAD = "probe"
"""What the names of the head's parameters begin with."""

_NEVER = -30.0
"""The logit of a class that no sample has."""


def linear_probe(
    encoder: ir.Model, inputs: Array, targets: Array, *, classes: int, strength: float = 1.0
) -> ir.Model:
    """Puts a linear classifier behind an encoder, which stays as it is.

    Logistic regression on standardised features; the standardisation is folded into the weights.
    How well it does says how good the features are: Alain and Bengio, 2016, arXiv:1610.01644.

    Args:
        encoder: one input; its first output is the features.
        inputs: `[N, ...]`, labelled samples.
        targets: int64 `[N]`, their classes, from 0; at least two different ones.
        classes: how many there are.
        strength: the inverse of the L2 penalty, as scikit-learn's C.

    Returns:
        The encoder with `scores` float32 `[1, classes]`, probabilities. A class that no sample
        has gets next to none.

    Raises:
        InputError: the samples do not fit the encoder, or the targets are no such classes.
    """
    if len(inputs) != len(targets):
        raise InputError(f"{len(targets)} targets do not go with {len(inputs)} samples")
    if len(set(targets.tolist())) < 2 or targets.min() < 0 or targets.max() >= classes:
        raise InputError(f"the targets are not at least two different classes of 0..{classes - 1}")
    scaler = StandardScaler().fit(features := embed(encoder, inputs).astype(np.float64))
    found = LogisticRegression(C=strength, max_iter=1000).fit(scaler.transform(features), targets)
    slopes, offsets = found.coef_, found.intercept_
    if len(found.classes_) == 2:
        slopes, offsets = np.vstack([0 * slopes, slopes]), np.array([0, offsets[0]])
    weights = np.zeros((features.shape[1], classes))
    bias = np.full(classes, _NEVER)
    weights[:, found.classes_] = slopes.T / scaler.scale_[:, np.newaxis]
    bias[found.classes_] = offsets - scaler.mean_ @ weights[:, found.classes_]
    return with_classes(encoder, weights, bias)


def fine_tune(
    classifier: ir.Model,
    inputs: Array,
    targets: Array,
    *,
    epochs: int,
    rate: float | Schedule,
    rows: int,
    seed: int = 0,
) -> ir.Model:
    """Trains all of a classifier, such as `linear_probe` gives, on labelled samples.

    Args:
        classifier: one input; its first output is `[1, classes]`.
        inputs: `[N, ...]`, N at least `rows`.
        targets: int64 `[N]`.
        epochs: how many passes over the samples.
        rate: the learning rate, best a small one, or what says it for each step.
        rows: how many samples a batch has.
        seed: of the order of samples.

    Raises:
        InputError: the samples do not fit the model, or are too few.
        TrainingDiverged: the loss is NaN or infinite.
    """
    step = compile_step(classifier, CrossEntropy(), Adam(), rows=rows, seed=seed)
    fitted = fit(step, Arrays(inputs, targets), epochs=epochs, rate=rate, seed=seed)
    return step.trained(fitted.parameters)


def with_classes(encoder: ir.Model, weights: Array, bias: Array, name: str = HEAD) -> ir.Model:
    """The encoder with a linear layer and a Softmax instead of its outputs.

    Args:
        encoder: one input; its first output is the features. Left as it is.
        weights: `[F, classes]`.
        bias: `[classes]`.
        name: what the names of both begin with.

    Returns:
        A model with `scores` float32 `[1, classes]`.
    """
    model = encoder.clone()
    build = HeadBuilder(model, np.random.default_rng(0), prefix=name)
    features, _ = build.features()
    w = add_initializer(model, f"{name}.weights", weights.astype(np.float32))
    b = add_initializer(model, f"{name}.bias", bias.astype(np.float32))
    scores = build.op("Softmax", build.op("Gemm", features, w, b), axis=1)
    return build.finish(scores, len(bias), name="scores")
