"""Each loss is what its formula in NumPy says, and its gradient what differences say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.train import compile_step, evaluate
from edgekit.train.data.arrays import Arrays
from edgekit.train.losses import (
    LOSSES,
    CrossEntropy,
    Distillation,
    Focal,
    Huber,
    InfoNce,
    Mse,
    Reconstruction,
    Triplet,
)
from edgekit.train.optimizers import Sgd
from tests.train.differences import check_loss
from tests.train.models import mlp

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (6, 5)).astype(np.float32)
CLASSES = np.array([0, 4, 2, 2, 1, 3])


def log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    wanted = (1 - smoothing) * np.eye(5)[CLASSES] + smoothing / 5

    def reference(logits: Array) -> Array:
        return -(log_softmax(logits) * wanted).sum(axis=1)

    check_loss(CrossEntropy(smoothing), LOGITS, {"target": CLASSES}, reference)


@settings(deadline=None, max_examples=20)
@given(
    rows=st.integers(1, 4),
    classes=st.integers(2, 5),
    smoothing=st.floats(0, 0.5),
    scale=st.floats(0.1, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_cross_entropy_of_any_size(
    rows: int, classes: int, smoothing: float, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, rows)
    wanted = (1 - smoothing) * np.eye(classes)[target] + smoothing / classes

    def reference(logits: Array) -> Array:
        return -(log_softmax(logits) * wanted).sum(axis=1)

    logits = rng.normal(0, scale, (rows, classes)).astype(np.float32)
    check_loss(CrossEntropy(smoothing), logits, {"target": target}, reference)


@pytest.mark.parametrize("shape", [(6,), (6, 5), (2, 3, 4)])
def test_mean_squared_error(shape: tuple[int, ...]) -> None:
    output, target = RNG.normal(size=(2, *shape)).astype(np.float32)

    def reference(output: Array) -> Array:
        return ((output - target) ** 2).reshape(len(output), -1).mean(axis=1)

    check_loss(Mse(), output, {"target": target}, reference)


@pytest.mark.parametrize("delta", [0.5, 1.0])
def test_huber(delta: float) -> None:
    output, target = RNG.normal(0, 1.5, (2, 6, 5)).astype(np.float32)

    def reference(output: Array) -> Array:
        error = np.abs(output - target)
        return np.where(error < delta, error**2 / 2, delta * (error - delta / 2)).mean(axis=1)

    check_loss(Huber(delta), output, {"target": target}, reference)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0, 1.5, 0.25)])
def test_focal(gamma: float, weights: tuple[float, ...] | None) -> None:
    alpha = np.array(weights or [1.0] * 5)[CLASSES]

    def reference(logits: Array) -> Array:
        logarithm = log_softmax(logits)[np.arange(6), CLASSES]
        return -alpha * (1 - np.exp(logarithm)) ** gamma * logarithm

    check_loss(Focal(gamma, weights), LOGITS, {"target": CLASSES}, reference)


def test_focal_refuses_what_has_no_gradient() -> None:
    with pytest.raises(InputError, match=r"gamma 0\.5"):
        Focal(0.5)
    with pytest.raises(InputError, match="2 weights do not go with 10 classes"):
        compile_step(mlp(), Focal(weights=(1.0, 2.0)), Sgd(), rows=4)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
@pytest.mark.parametrize("hard", [0.0, 0.3])
def test_distillation(temperature: float, hard: float) -> None:
    teacher = RNG.normal(0, 2, (6, 5)).astype(np.float32)
    known = log_softmax(teacher.astype(np.float64) / temperature)

    def reference(logits: Array) -> Array:
        student = log_softmax(logits / temperature)
        soft = temperature**2 * (np.exp(known) * (known - student)).sum(axis=1)
        return (1 - hard) * soft - hard * log_softmax(logits)[np.arange(6), CLASSES]

    batch = {"teacher": teacher} | ({"target": CLASSES} if hard else {})
    check_loss(Distillation(temperature, hard), LOGITS, batch, reference)


def test_info_nce() -> None:
    def reference(rows: Array) -> Array:
        similar = unit(rows) @ unit(rows).T / 0.5
        np.fill_diagonal(similar, -np.inf)
        pairs = np.roll(np.arange(len(rows)), len(rows) // 2)
        return -log_softmax(similar)[np.arange(len(rows)), pairs]

    check_loss(InfoNce(), RNG.normal(size=(8, 3)).astype(np.float32), {}, reference)


def test_triplet() -> None:
    def reference(rows: Array) -> Array:
        anchor, same, other = np.split(unit(rows), 3)
        near, far = ((anchor - same) ** 2).sum(axis=1), ((anchor - other) ** 2).sum(axis=1)
        return np.maximum(near - far + 0.2, 0)

    check_loss(Triplet(), RNG.normal(size=(12, 3)).astype(np.float32), {}, reference)


def test_a_reconstruction_may_be_of_a_value_inside_the_model() -> None:
    build = GraphBuilder("scaled")
    scaled = build.op("Mul", build.input("x", np.float32, (1, 3)), np.float32(0.5))
    scaled.name = "scaled"
    made = build.op("MatMul", scaled, build.constant(np.eye(3, dtype=np.float32), "w"))
    model = build.finish(out=(made, np.float32, (1, 3)))
    data = Arrays(np.arange(6, dtype=np.float32).reshape(2, 3))
    step = compile_step(model, Reconstruction(of="scaled"), Sgd(), rows=2)
    assert evaluate(step, step.parameters, data).loss == 0
    by_input = compile_step(model, Reconstruction(), Sgd(), rows=2)
    assert evaluate(by_input, by_input.parameters, data).loss > 1
    with pytest.raises(UnsupportedModel, match="the model has no value 'scald'"):
        compile_step(model, Reconstruction(of="scald"), Sgd(), rows=2)


def test_a_reconstruction_is_judged_by_the_input() -> None:
    model = mlp((12, 3, 12), softmax=False)
    by_input = compile_step(model, Reconstruction(), Sgd(), rows=4)
    assert [spec.name for spec in by_input.batch] == ["x"]
    with pytest.raises(UnsupportedModel, match="no reconstruction of 'x'"):
        compile_step(mlp(), Reconstruction(), Sgd(), rows=4)


def test_a_softmax_at_the_end_is_not_taken_twice() -> None:
    with_softmax, without = (
        compile_step(mlp(softmax=softmax), CrossEntropy(), Sgd(), rows=4)
        for softmax in (True, False)
    )
    kinds = [node.op_type for node in with_softmax.step.graph]
    assert "Softmax" not in kinds
    assert kinds == [node.op_type for node in without.step.graph]
    assert "Softmax" in [node.op_type for node in with_softmax.evaluate.graph]


def test_a_sigmoid_at_the_end_is_refused() -> None:
    build = GraphBuilder("sigmoid")
    x = build.input("x", np.float32, (1, 4))
    w = build.constant(np.ones((4, 3), np.float32), "w")
    value = build.op("Sigmoid", build.op("MatMul", x, w))
    model = build.finish(out=(value, np.float32, (1, 3)))
    with pytest.raises(UnsupportedModel, match="ends in a Sigmoid"):
        compile_step(model, CrossEntropy(), Sgd(), rows=4)


@pytest.mark.parametrize("name", ["info-nce", "triplet"])
def test_an_embedding_has_as_many_rows_as_views(name: str) -> None:
    with pytest.raises(UnsupportedModel, match=r"\* samples, dimensions\]"):
        compile_step(mlp(), LOSSES[name](), Sgd(), rows=7)
