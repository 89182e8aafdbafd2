"""Batch normalisation and dropout compute as in training in a step, as in use elsewhere."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.train import Epoch, compile_step, evaluate, fit
from edgekit.train.data.arrays import Arrays
from edgekit.train.engine import StepRunner
from edgekit.train.losses import CrossEntropy
from edgekit.train.optimizers import Adam, Sgd
from tests.train.models import accuracy, digits


def normalised(*, ratio: float | None = None) -> ir.Model:
    """A perceptron with batch normalisation, and dropout where there is a ratio."""
    rng = np.random.default_rng(0)
    build = GraphBuilder("normalised")
    value = build.input("x", np.float32, (1, 64))
    w = build.constant(rng.normal(0, 0.2, (64, 32)).astype(np.float32), "w0")
    value = build.op("MatMul", value, w)
    ones, zeros = np.ones(32, np.float32), np.zeros(32, np.float32)
    statistics = [build.constant(*given) for given in ((ones, "one"), (zeros, "zero"))]
    value = build.op("BatchNormalization", value, *statistics, *statistics[::-1], momentum=0.8)
    value = build.op("Relu", value)
    if ratio is not None:
        value = build.op("Dropout", value, np.float32(ratio))
    head = build.constant(rng.normal(0, 0.2, (32, 10)).astype(np.float32), "head.w")
    return build.finish(out=(build.op("MatMul", value, head), np.float32, (1, 10)))


def batch() -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    return rng.normal(size=(8, 64)).astype(np.float32), rng.integers(0, 10, 8)


def test_running_averages_follow_the_batches_and_serve_the_evaluation() -> None:
    step = compile_step(normalised(), CrossEntropy(), Sgd(), rows=8)
    assert set(step.parameters) == {"w0", "one", "zero", "zero_1", "one_1", "head.w"}
    runner = StepRunner(step)
    x, target = batch()
    loss = runner.run((x, target), 0.0)
    sums = x @ step.parameters["w0"]
    np.testing.assert_allclose(runner.carried["zero_1"], 0.2 * sums.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(runner.carried["one_1"], 0.8 + 0.2 * sums.var(axis=0), rtol=1e-5)
    own = step.parameters | {"zero_1": sums.mean(axis=0), "one_1": sums.var(axis=0)}
    assert evaluate(step, own, Arrays(x, target)).loss == pytest.approx(loss, rel=1e-5)


def test_averages_of_a_frozen_normalisation_stay() -> None:
    step = compile_step(normalised(), CrossEntropy(), Sgd(), rows=8, trainable=["head.*"])
    assert set(step.parameters) == {"head.w"}
    x, target = batch()
    loss = StepRunner(step).run((x, target), 0.0)
    assert evaluate(step, step.parameters, Arrays(x, target)).loss == pytest.approx(loss, rel=1e-5)


def test_dropout_differs_from_step_to_step_and_is_off_in_the_evaluation() -> None:
    step = compile_step(normalised(ratio=0.5), CrossEntropy(), Sgd(), rows=8, trainable=["head.*"])
    runner = StepRunner(step)
    losses = [runner.run(batch(), 0.0) for _ in range(3)]
    assert len(set(losses)) == 3
    assert runner.carried["step_number"] == 3
    judged = [evaluate(step, step.parameters, Arrays(*batch())).loss for _ in range(2)]
    assert judged[0] == judged[1]


def test_a_net_with_both_learns_and_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    training, validation = digits(64)
    step = compile_step(normalised(ratio=0.2), CrossEntropy(), Adam(), rows=32)
    whole = fit(step, training, epochs=8, rate=0.01, validation=validation, score=accuracy)
    assert max(epoch.score or 0 for epoch in whole.history) > 0.95
    seen: list[Epoch] = []
    for epochs in (2, 8):
        rest = fit(
            step,
            training,
            epochs=epochs,
            rate=0.01,
            validation=validation,
            score=accuracy,
            checkpoints=tmp_path,
            on_epoch=seen.append,
        )
    assert [epoch.number for epoch in seen] == list(range(1, 9))
    assert rest.history == whole.history
    for name, array in whole.parameters.items():
        np.testing.assert_array_equal(array, rest.parameters[name])
