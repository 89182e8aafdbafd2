"""Models as they compute while they are being trained."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.autodiff import gradients, in_training
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import model_of, normal, run

ONES = np.ones((40, 50), np.float32)
MASK = 2**64 - 1


def dropping(build: GraphBuilder, x: ir.Value) -> ir.Value:
    return build.op("Dropout", build.op("Dropout", x, 0.25))


def dropped(ratio: float | None, *, step: int, seed: int = 0, x: Array = ONES) -> Array:
    """What a Dropout makes of ones."""
    model = model_of(lambda build, x: build.op("Dropout", x, ratio), {"x": x})
    return run(in_training(model, seed=seed), {"x": x, "step": np.array(step)})["y"]


def squares(counter: int, key: int) -> int:
    """The generator, in Python's integers."""
    y = x = counter * key & MASK
    z = y + key
    for term in (y, z, y):
        x = x * x + term & MASK
        x = (x >> 32 | x << 32) & MASK
    return (x * x + z & MASK) >> 32


@pytest.mark.parametrize("ratio", [None, 0.1, 0.7, 0.0])
def test_dropout_drops_its_share_and_keeps_the_mean(ratio: float | None) -> None:
    y, share = dropped(ratio, step=5), 0.5 if ratio is None else ratio
    assert np.mean(y == 0) == pytest.approx(share, abs=0.05)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - share), 1e-6)


def test_numbers_are_those_of_the_generator() -> None:
    key = 2 * int(np.random.default_rng(7).integers(0, 2**63, 1, np.uint64)[0]) + 1
    wanted = [squares(7 * 2**32 + n, key) < 0.75 * 2**32 for n in range(ONES.size)]
    assert (dropped(0.25, step=7, seed=7) != 0).ravel().tolist() == wanted


def test_the_same_step_drops_the_same_and_another_step_or_seed_another() -> None:
    first = dropped(0.5, step=1)
    assert np.array_equal(first, dropped(0.5, step=1))
    for other in (dropped(0.5, step=2), dropped(0.5, step=1, seed=1)):
        assert np.mean(first == other) == pytest.approx(0.5, abs=0.05)


def test_each_dropout_drops_by_itself() -> None:
    model = in_training(model_of(dropping, {"x": ONES}))
    y = run(model, {"x": ONES, "step": np.array(0)})["y"]
    assert np.mean(y == 0) == pytest.approx(1 - 0.5 * 0.75, abs=0.05)


def test_gradients_are_dropped_as_the_numbers_were() -> None:
    model = gradients(in_training(model_of(dropping, {"x": ONES})), "y", ["x"], seed="dy")
    found = run(model, {"x": ONES, "step": np.array(9), "dy": ONES})
    np.testing.assert_allclose(found["grad(x)"], found["y"])


def test_a_mask_that_is_read_stays() -> None:
    def net(build: GraphBuilder, x: ir.Value) -> ir.Value:
        y, mask = build.op_many("Dropout", x, 0.5, outputs=2)
        return build.op("Add", y, build.op("Cast", mask, to=ir.DataType.FLOAT))

    model = in_training(model_of(net, {"x": ONES}))
    found = run(model, {"x": ONES, "step": np.array(0)})["y"]
    assert sorted(np.unique(found)) == [0, 3]


def test_nothing_is_added_to_a_model_that_is_the_same_in_training() -> None:
    model = in_training(model_of(lambda build, x: build.op("Relu", x), {"x": ONES}))
    assert [value.name for value in model.graph.inputs] == ["x"]
    assert [value.name for value in model.graph.outputs] == ["y"]


def normed(build: GraphBuilder, x: ir.Value) -> ir.Value:
    """Two layers that share their statistics as a graph pass might have made them share."""
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    for name in ("first", "second"):
        x = build.op("BatchNormalization", x, ones, zeros, zeros, ones, momentum=0.8)
        producer = x.producer()
        assert producer is not None
        producer.name = name
    return x


def test_batch_normalization_gives_its_new_statistics() -> None:
    x = 2 * normal(5, 3, 4, 4) + 1
    found = run(in_training(model_of(normed, {"x": x})), {"x": x})
    mean, variance = (getattr(x, kind)(axis=(0, 2, 3)) for kind in ("mean", "var"))
    new = [array for name, array in found.items() if name.startswith("new(")]
    assert len(new) == 4
    np.testing.assert_allclose(new[0], 0.2 * mean, rtol=1e-5)
    np.testing.assert_allclose(new[1], 0.8 + 0.2 * variance, rtol=1e-5)
    np.testing.assert_allclose(new[2], 0, atol=1e-6)
    y = (x - mean.reshape(3, 1, 1)) / np.sqrt(variance.reshape(3, 1, 1) + 1e-5)
    np.testing.assert_allclose(found["y"], y, atol=1e-4)


def test_each_statistic_is_a_tensor_of_its_own() -> None:
    model = in_training(model_of(normed, {"x": normal(5, 3)}))
    read = [value for node in model.graph for value in node.inputs[3:] if value is not None]
    assert len(read) == 4
    assert all(len(value.uses()) == 1 for value in read)
    names = [str(value.name) for value in model.graph.outputs[1:]]
    assert names == [f"new({value.name})" for value in read]


def test_frozen_nodes_stay_as_they_are() -> None:
    model = in_training(model_of(normed, {"x": normal(5, 3)}), frozen=["first"])
    modes = {str(node.name): "training_mode" in node.attributes for node in model.graph}
    assert modes["first"] is False
    assert modes["second"] is True


def test_mistakes_are_named() -> None:
    model = model_of(dropping, {"x": ONES})
    with pytest.raises(InputError, match="'x'"):
        in_training(model, step="x")

    def net(build: GraphBuilder, x: ir.Value, ratio: ir.Value) -> ir.Value:
        return build.op("Dropout", x, ratio)

    model = model_of(net, {"x": ONES, "ratio": np.array(0.5, np.float32)})
    with pytest.raises(UnsupportedModel, match="'ratio'"):
        in_training(model)
