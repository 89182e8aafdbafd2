"""Operators with settings and operands, whose gradients are compared with those of peers."""

from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import Net, normal


class Case(NamedTuple):
    """A net, and what it takes; every operand is differentiated by."""

    net: Net
    operands: list[Array]
    opset: int | None = None


def op(kind: str, **attributes: Any) -> Net:
    """A net of one node."""
    return lambda build, *values: build.op(kind, *values, **attributes)


def rounded(*shape: int) -> Array:
    """Numbers of which many are equal, and many 0."""
    return np.maximum(np.round(normal(*shape) * 2), 0).astype(np.float32)


def above_0(*shape: int) -> Array:
    """Numbers from 0.1 on."""
    return np.abs(normal(*shape)) + np.float32(0.1)


def split(build: GraphBuilder, x: ir.Value) -> ir.Value:
    """The middle of three parts, squared."""
    part = build.op_many("Split", x, np.array([1, 2, 1]), outputs=3, axis=1)[1]
    return build.op("Mul", part, part)


def in_training(build: GraphBuilder, x: ir.Value, scale: ir.Value, bias: ir.Value) -> ir.Value:
    """BatchNormalization by the statistics of the batch."""
    ones = np.ones(3, np.float32)
    how: dict[str, Any] = {"outputs": 3, "training_mode": 1}
    return build.op_many("BatchNormalization", x, scale, bias, ones, ones, **how)[0]


def quantised(axis: int | None) -> Net:
    """To int8 and back, the scale given as a value; by channel where there is an axis."""
    how = {} if axis is None else {"axis": axis}

    def net(build: GraphBuilder, x: ir.Value, scale: ir.Value) -> ir.Value:
        zeros = np.zeros(() if axis is None else (3,), np.int8)
        q = build.op("QuantizeLinear", x, scale, zeros, **how)
        return build.op("DequantizeLinear", q, scale, zeros, **how)

    return net


def recurrent(kind: str, **attributes: Any) -> Net:
    """All states of a layer in both directions, `[T, 2, B, H]`."""
    how = {"hidden_size": 4, "direction": "bidirectional", **attributes}
    return lambda build, *values: build.op_many(kind, *values, outputs=2, **how)[0]


def layer(gates: int) -> list[Array]:
    """X, W, R and B for 5 steps of 2 samples of 3 numbers, 4 of state, in both directions."""
    shapes = [(5, 2, 3), (2, gates * 4, 3), (2, gates * 4, 4), (2, gates * 8)]
    return [normal(*shape, seed=seed) for seed, shape in enumerate(shapes)]


_ONE = {
    **{name: op(name) for name in ("Abs", "Cos", "Elu", "Erf", "Exp", "HardSwish", "Identity")},
    **{name: op(name) for name in ("LeakyRelu", "Neg", "Relu", "Sigmoid", "Sin", "Softplus")},
    **{name: op(name) for name in ("LogSoftmax", "Softmax", "Tanh")},
    "HardSigmoid": op("HardSigmoid", alpha=1 / 6),
}
_ONE_ABOVE_0 = {name: op(name) for name in ("Log", "Reciprocal", "Sqrt")}
_TWO = {name: op(name) for name in ("Add", "Div", "Max", "Min", "Mul", "Sub", "Sum")}
_PAIR = [normal(4, 1, 5), normal(3, 1, seed=1)]

CASES: dict[str, Case] = {
    **{name: Case(net, [2 * normal(4, 5)]) for name, net in _ONE.items()},
    **{name: Case(net, [above_0(4, 5)]) for name, net in _ONE_ABOVE_0.items()},
    **{name: Case(net, _PAIR) for name, net in _TWO.items()},
    "Pow": Case(op("Pow"), [above_0(4, 1, 5), normal(3, 1, seed=1)]),
    "PRelu": Case(op("PRelu"), [normal(2, 3, 4), normal(3, 1, seed=1)]),
    "Gelu": Case(op("Gelu"), [normal(4, 5)], 20),
    "Gelu, tanh": Case(op("Gelu", approximate="tanh"), [normal(4, 5)], 20),
    "Relu at 0": Case(op("Relu"), [rounded(4, 5)]),
    "Clip at its limits": Case(lambda b, x: b.op("Clip", x, 0.0, 2.0), [rounded(4, 5)]),
    "Where": Case(
        lambda b, x, y: b.op("Where", np.array([True, False, True]), x, y),
        [normal(4, 3), normal(3, seed=1)],
    ),
    "MatMul": Case(op("MatMul"), [normal(2, 3, 4), normal(4, 5, seed=1)]),
    "Gemm": Case(op("Gemm", transB=1), [normal(4, 3), normal(5, 3, seed=1), normal(5, seed=2)]),
    "Conv": Case(
        op("Conv", strides=[2, 1], pads=[1, 2, 1, 2], dilations=[1, 2], group=2),
        [normal(3, 4, 9, 8), normal(6, 2, 3, 3, seed=1), normal(6, seed=2)],
    ),
    "Conv, few outputs": Case(
        op("Conv", pads=[1, 1, 1, 1]), [normal(2, 18, 6, 7), normal(4, 18, 3, 3, seed=1)]
    ),
    "Conv, depthwise": Case(op("Conv", group=4), [normal(2, 4, 6, 7), normal(4, 1, 3, 3, seed=1)]),
    "Conv, of rows": Case(
        op("Conv", strides=[3], pads=[2, 2]), [normal(2, 20, 11), normal(5, 20, 5, seed=1)]
    ),
    "ConvTranspose": Case(
        op("ConvTranspose", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], group=2),
        [normal(2, 4, 5, 4), normal(4, 3, 3, 3, seed=1), normal(6, seed=2)],
    ),
    "MaxPool with ties": Case(
        op("MaxPool", kernel_shape=[3, 3], strides=[2, 2]), [rounded(3, 4, 9, 11)]
    ),
    "MaxPool with ties and pads": Case(
        op("MaxPool", kernel_shape=[3, 2], strides=[1, 2], pads=[1, 1, 1, 1], ceil_mode=1),
        [rounded(2, 2, 7, 8)],
    ),
    "AveragePool": Case(
        op("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        [normal(2, 3, 8, 8)],
    ),
    "GlobalAveragePool": Case(op("GlobalAveragePool"), [normal(2, 3, 4, 5)]),
    "GlobalMaxPool with ties": Case(op("GlobalMaxPool"), [rounded(2, 3, 4, 5)]),
    "ReduceSum": Case(lambda b, x: b.op("ReduceSum", x, np.array([0, 2])), [normal(2, 3, 4)]),
    "ReduceMean": Case(op("ReduceMean", axes=[1], keepdims=0), [normal(2, 3, 4)]),
    "ReduceMax with ties": Case(op("ReduceMax", axes=[1, 2]), [rounded(2, 3, 4)]),
    "ReduceMin with ties": Case(op("ReduceMin", axes=[1, 2]), [rounded(2, 3, 4)]),
    "ReduceL2": Case(op("ReduceL2", axes=[-1]), [rounded(6, 2)]),
    "Concat": Case(op("Concat", axis=1), [normal(2, 3), normal(2, 1, seed=1)]),
    "Split": Case(split, [normal(3, 4)]),
    "Slice": Case(
        lambda b, x: b.op("Slice", x, np.array([4]), np.array([0]), np.array([1]), np.array([-2])),
        [normal(2, 6)],
    ),
    "Pad": Case(lambda b, x: b.op("Pad", x, np.array([0, 1, 0, 2])), [normal(2, 3)]),
    "Reshape": Case(lambda b, x: b.op("Reshape", x, np.array([2, -1])), [normal(3, 4)]),
    "Flatten": Case(op("Flatten"), [normal(3, 2, 2)]),
    "Squeeze": Case(lambda b, x: b.op("Squeeze", x, np.array([1])), [normal(3, 1, 2)]),
    "Unsqueeze": Case(lambda b, x: b.op("Unsqueeze", x, np.array([1])), [normal(3, 2)]),
    "Transpose": Case(op("Transpose", perm=[2, 0, 1]), [normal(2, 3, 4)]),
    "Expand": Case(lambda b, x: b.op("Expand", x, np.array([2, 3, 4])), [normal(3, 1)]),
    "Gather": Case(
        lambda b, x: b.op("Gather", x, np.array([0, 2, 2, -1]), axis=1), [normal(3, 4, 2)]
    ),
    "GatherElements": Case(
        lambda b, x: b.op("GatherElements", x, np.array([[0, 0], [1, 0]])), [normal(2, 2)]
    ),
    "Resize, linear": Case(
        lambda b, x: b.op("Resize", x, None, np.array([1, 1, 2, 2], np.float32), mode="linear"),
        [normal(2, 3, 4, 5)],
    ),
    "Resize, nearest": Case(
        lambda b, x: b.op(
            "Resize",
            x,
            None,
            np.array([1, 1, 2, 3], np.float32),
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
        [normal(2, 3, 4, 5)],
    ),
    "BatchNormalization": Case(
        op("BatchNormalization"),
        [normal(4, 3, 5), *(normal(3, seed=seed) for seed in (1, 2, 3)), above_0(3)],
    ),
    "BatchNormalization in training": Case(
        in_training, [normal(4, 3, 5) + 2, normal(3, seed=1), normal(3, seed=2)]
    ),
    "LayerNormalization": Case(
        op("LayerNormalization", axis=-1), [normal(2, 3, 5), normal(5, seed=1), normal(5, seed=2)]
    ),
    "InstanceNormalization": Case(
        op("InstanceNormalization"), [normal(2, 3, 5), normal(3, seed=1), normal(3, seed=2)]
    ),
    "LSTM": Case(recurrent("LSTM"), layer(4)),
    "GRU": Case(recurrent("GRU", linear_before_reset=1), layer(3)),
    "a learned scale": Case(quantised(None), [normal(4, 3), np.array(0.01, np.float32)]),
    "learned scales by channel": Case(
        quantised(1), [normal(4, 3), np.array([0.01, 0.02, 0.005], np.float32)]
    ),
}
