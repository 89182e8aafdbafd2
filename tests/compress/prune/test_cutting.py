"""Cut models are valid, smaller, and compute what the whole one does without those channels."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.compress.prune.channels import Channels, Role
from edgekit.compress.prune.cutting import cut, is_kept
from edgekit.compress.prune.tracing import trace
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import set_constant
from edgekit.graph.match import constant
from edgekit.graph.session import open_session
from edgekit.graph.shapes import infer_shapes
from tests.compress.prune.nets import SIDE, Net, nets


def answer(model: ir.Model, seed: int = 0) -> Array:
    shape = [int(size) for size in model.graph.inputs[0].shape or ()]  # type: ignore[call-overload]
    tensor = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return np.asarray(open_session(model).run(None, {"image": tensor})[0])


def without_reading(model: ir.Model, units: set[int]) -> ir.Model:
    """The model with zeros for the weights that read some units: what cutting should compute."""
    deaf = model.clone()
    channels = trace(deaf)
    for piece in channels.slices:
        if piece.role is not Role.READS:
            continue
        weights = constant(piece.node.inputs[piece.input_index])
        assert weights is not None
        kept = is_kept(channels, piece.units, units)
        shape = [-1 if axis == piece.axis else 1 for axis in range(weights.ndim)]
        set_constant(deaf, piece.node, piece.input_index, weights * kept.reshape(shape))
    return deaf


def some_units(channels: Channels, rng: np.random.Generator) -> set[int]:
    """About half of what can go, so that every group keeps a channel."""
    gone: set[int] = set()
    for group in channels.groups():
        count = int(rng.integers(0, len(group.units)))
        gone |= {int(unit) for unit in rng.choice(group.units, count, replace=False)}
    return gone


@settings(max_examples=60, deadline=None)
@given(model=nets(), seed=st.integers(0, 2**16))
def test_a_cut_net_is_the_whole_one_with_deaf_readers(model: ir.Model, seed: int) -> None:
    units = some_units(trace(model), np.random.default_rng(seed))
    smaller = cut(model, units)
    onnx.checker.check_model(ir.to_proto(smaller), full_check=True)
    expected = answer(without_reading(model, units))
    np.testing.assert_allclose(answer(smaller), expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(model=nets())
def test_cutting_nothing_changes_nothing(model: ir.Model) -> None:
    assert answer(cut(model, set())).tobytes() == answer(model).tobytes()


@settings(max_examples=20, deadline=None)
@given(model=nets(), seed=st.integers(0, 2**16))
def test_the_given_model_is_left_alone(model: ir.Model, seed: int) -> None:
    before = ir.to_proto(model).SerializeToString()
    cut(model, some_units(trace(model), np.random.default_rng(seed)))
    assert ir.to_proto(model).SerializeToString() == before


def test_every_shape_on_the_way_shrinks() -> None:
    net = Net()
    first = net.conv(net.image(), 8)
    model = net.classifier(net.conv(net.depthwise(net.op("Relu", first)), 4, kernel=1))
    smaller = cut(model, set(map(int, trace(model).groups()[0].units[:3])))
    values = [list(node.outputs[0].shape or ()) for node in smaller.graph]
    assert values[:4] == [[1, 5, 6, 6], [1, 5, 6, 6], [1, 5, 6, 6], [1, 4, 6, 6]]
    weights = [list(value.shape or ()) for value in smaller.graph.initializers.values()]
    assert [5, 3, 3, 3] in weights  # makes them
    assert [5, 1, 3, 3] in weights  # lets them through
    assert [4, 5, 1, 1] in weights  # reads them


def test_numbers_that_count_channels_are_counted_again() -> None:
    net = Net()
    parts = net.split(net.conv(net.image(), 6))
    none = np.array([], np.float32)
    grown = net.op("Resize", parts[1], none, none, np.array([1, 4, 12, 12]))
    small = net.op("MaxPool", grown, kernel_shape=[2, 2], strides=[2, 2])
    flat = net.op("Reshape", net.concat(parts[0], small), np.array([1, 6 * 36]))
    dense = net.build.op("MatMul", flat, net.random(6 * 36, 3))
    model = infer_shapes(net.build.finish(scores=(dense, np.float32, (1, 3))))
    units = set(map(int, trace(model).groups()[0].units[1:4]))  # one of the first two
    np.testing.assert_allclose(
        answer(cut(model, units)), answer(without_reading(model, units)), rtol=1e-4, atol=1e-5
    )


def test_a_dense_layer_loses_every_position_of_a_channel() -> None:
    net = Net()
    model = net.classifier(net.conv(net.image(), 4))
    smaller = cut(model, {int(trace(model).groups()[0].units[0])})
    gemm = next(node for node in smaller.graph if node.op_type == "Gemm")
    assert list(gemm.inputs[1].shape or ()) == [5, 3 * SIDE**2]  # type: ignore[union-attr]


def test_what_the_model_gives_cannot_be_cut() -> None:
    net = Net()
    last = net.conv(net.op("Relu", net.conv(net.image(), 4)), 2)
    model = infer_shapes(net.build.finish(channels=(last, np.float32, (1, 2, SIDE, SIDE))))
    unit = next(iter(trace(model).fixed()))
    with pytest.raises(UnsupportedModel, match="part of the model's output 'channels'"):
        cut(model, {unit})


def test_a_value_cannot_lose_all_its_channels() -> None:
    net = Net()
    model = net.classifier(net.conv(net.image(), 4))
    with pytest.raises(UnsupportedModel, match="all channels"):
        cut(model, set(map(int, trace(model).groups()[0].units)))
