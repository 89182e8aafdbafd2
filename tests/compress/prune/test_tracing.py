"""Which channels go together, and every reason for which they stay."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.compress.prune.tracing import trace
from edgekit.graph.shapes import infer_shapes
from tests.compress.prune.nets import SIDE, Net


def sizes(model: ir.Model) -> list[int]:
    return [len(group.units) for group in trace(model).groups()]


def test_operands_of_an_add_are_one() -> None:
    net = Net()
    x = net.conv(net.image(), 4)
    model = net.classifier(net.op("Add", x, net.conv(net.op("Relu", x), 4)))
    (group,) = trace(model).groups()
    assert len(group.units) == 4
    assert len(group.makers) == 2
    assert len(group.readers) == 2


def test_parts_of_a_concat_are_apart() -> None:
    net = Net()
    x = net.image()
    model = net.classifier(net.concat(net.conv(x, 4), net.conv(x, 6)))
    assert sizes(model) == [4, 6]


def test_places_in_the_groups_of_a_conv_are_one() -> None:
    net = Net()
    model = net.classifier(net.conv(net.conv(net.image(), 6), 4, group=2))
    assert sizes(model) == [3, 2]


def test_the_runs_of_a_split_each_keep_a_channel() -> None:
    net = Net()
    parts = net.split(net.conv(net.image(), 6))
    model = net.classifier(net.concat(*(net.op("Relu", part) for part in parts)))
    assert sizes(model) == [2, 4]


def test_a_depthwise_conv_makes_no_channels_of_its_own() -> None:
    net = Net()
    model = net.classifier(net.depthwise(net.conv(net.image(), 4), 2))
    assert sizes(model) == [4]


def test_a_gate_is_one_with_what_it_gates() -> None:
    net = Net()
    x = net.conv(net.image(), 4)
    gate = net.op("Sigmoid", net.conv(net.op("GlobalAveragePool", x), 4, kernel=1))
    (group,) = trace(net.classifier(net.op("Mul", x, gate))).groups()
    assert len(group.makers) == 2


@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("Softmax", {"axis": 1}),
        ("ReduceMean", {"axes": [1], "keepdims": 1}),
        ("LayerNormalization", {}),
        ("DepthToSpace", {"blocksize": 2}),
        ("LRN", {"size": 3}),
    ],
)
def test_channels_that_are_mixed_stay(kind: str, attributes: dict[str, object]) -> None:
    def mixed(net: Net, x: ir.Value) -> ir.Value:
        more = [net.random(SIDE)] if kind == "LayerNormalization" else []
        return net.build.op(kind, x, *more, **attributes)

    assert "mixes channels" in reason(mixed) or "over the channels" in reason(mixed)


DECLINED: dict[str, tuple[Callable[[Net, ir.Value], ir.Value], str]] = {
    "pads along channels": (
        lambda net, x: net.build.op("Pad", x, np.array([0, 1, 0, 0, 0, 1, 0, 0])),
        "Pad along the channels",
    ),
    "resize along channels": (
        lambda net, x: net.build.op(
            "Resize", x, np.zeros(0, np.float32), np.array([1, 2, 1, 1], np.float32)
        ),
        "Resize along the channels",
    ),
    "transpose, then flatten rows": (
        lambda net, x: net.build.op("Reshape", x, np.array([1, 2, 2, SIDE, SIDE])),
        "spread over several axes",
    ),
    "added to what no layer makes": (
        lambda net, x: net.build.op("Add", x, _other(net)),
        "by numbers that no layer makes",
    ),
    "added along another axis": (
        lambda net, x: net.build.op(
            "Add",
            x,
            net.build.op("Transpose", net.conv(_other(net, height=4), SIDE), perm=[0, 2, 1, 3]),
        ),
        "along another axis",
    ),
    "joined along another axis to what no layer makes": (
        lambda net, x: net.build.op("Concat", x, _other(net), axis=2),
        "by numbers that no layer makes",
    ),
    "weights that are computed": (
        lambda net, x: net.build.op("Conv", x, net.build.op("Neg", net.random(3, 4, 1, 1))),
        "weights are not constant",
    ),
    "norm that is computed": (
        lambda net, x: net.build.op(
            "BatchNormalization",
            x,
            net.build.op("Neg", net.random(4)),
            *(net.random(4) for _ in range(2)),
            np.ones(4, np.float32),
        ),
        "numbers are not constant",
    ),
    "indices of a pool": (
        lambda net, x: net.build.op_many("MaxPool", x, outputs=2, kernel_shape=[2, 2])[0],
        "with indices",
    ),
    "matrix product along rows": (
        lambda net, x: net.build.op("MatMul", x, net.random(SIDE, 3)),
        "a way that is not understood",
    ),
}


@pytest.mark.parametrize("name", DECLINED)
def test_channels_that_are_not_understood_stay(name: str) -> None:
    layer, why = DECLINED[name]
    assert why in reason(layer)


def test_what_is_read_inside_a_branch_stays() -> None:
    def branch(net: Net, x: ir.Value) -> ir.Value:
        bodies = {}
        for name, kind in (("then_branch", "Relu"), ("else_branch", "Neg")):
            inner = ir.node(kind, [x])
            inner.outputs[0].name = kind
            inner.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
            inner.outputs[0].shape = ir.Shape((1, 4, SIDE, SIDE))
            bodies[name] = ir.Graph([], list(inner.outputs), nodes=[inner], name=name)
        return net.build.op("If", np.array(True), **bodies)

    assert "If" in reason(branch)


def test_pictures_have_no_channels_to_prune() -> None:
    net = Net()
    model = net.classifier(net.op("Relu", net.image()))
    assert trace(model).groups() == []
    assert trace(model).declined() == {"node_Gemm_2": "read by a Softmax over the channels"}


def reason(layer: Callable[[Net, ir.Value], ir.Value]) -> str:
    """Why the first Conv's four channels stay when a layer reads them."""
    net = Net()
    x = net.conv(net.image(), 4)
    out = net.op("Relu", x)
    value = layer(net, out)
    model = net.build.finish(out=(net.build.op("ReduceSum", value, keepdims=0), np.float32, ()))
    channels = trace(infer_shapes(model))
    assert channels.groups() == []
    return next(iter(channels.declined().values()))


def _other(net: Net, *, height: int = SIDE) -> ir.Value:
    value = net.build.input("other", np.float32, (1, 4, height, SIDE))
    net.channels[value] = 4
    return value
