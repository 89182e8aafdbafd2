"""Random small nets, the same for the same seed, with what exporters leave in graphs."""

from typing import Any

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.graph.edit import infer_shapes

SHAPE = (1, 3, 8, 8)
"""What every picture net takes, as float32."""


def nets(**settings: bool) -> st.SearchStrategy[ir.Model]:
    """A strategy of random nets; see `random_net`."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_net(seed, **settings))


def random_net(seed: int, *, clutter: bool = True) -> ir.Model:
    """A classifier or regressor of 2 to 7 blocks, float32 [1, 3, 8, 8] to [1, classes].

    Blocks are Convs (with stride, padding, groups, bias or without), depthwise Convs, Convs of
    each group with residual Add or Concat, transposed Convs, pools and activations; the head is a
    global pool or Flatten, one or two dense layers, and perhaps a Softmax.

    Args:
        seed: makes everything.
        clutter: whether there is what a simplifier removes too: BatchNormalization, Identity,
            Dropout, Pad, constant arithmetic, Transposes in pairs, reshaping twice, shapes that
            are computed, channels that are dead.
    """
    net = _Maker(np.random.default_rng(seed), clutter=clutter).net(f"net_{seed}")
    return ir.from_proto(ir.to_proto(net))  # as if it came from a file


class _Maker:
    def __init__(self, rng: np.random.Generator, *, clutter: bool) -> None:
        self.rng = rng
        self.clutter = clutter
        self.build = GraphBuilder("net")
        self.copies = 0

    def net(self, name: str) -> ir.Model:
        self.build = GraphBuilder(name)
        value, channels, side = self.build.input("data", np.float32, SHAPE), SHAPE[1], SHAPE[2]
        value = self._litter(value, channels)
        for _ in range(self.rng.integers(2, 8)):
            block = self._pick(
                self._conv,
                self._depthwise,
                self._residual,
                self._branches,
                self._pool,
                self._upsample,
            )
            value, channels, side = block(value, channels, side)
            value = self._litter(value, channels)
        value, features = self._head(value, channels, side)
        if self._chance(0.4):
            value = self._activation(self._dense(value, features, 6))
            features = 6
        classes = int(self.rng.integers(2, 6))
        value = self._dense(value, features, classes)
        if self._chance(0.6):
            value = self._softmax(value, classes)
        return infer_shapes(self.build.finish(out=(value, np.float32, (1, classes))))

    def _conv(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        outputs = int(self._pick(2, 4, 6, 8))
        group = 2 if channels % 2 == 0 and self._chance(0.2) else 1
        kernel = int(self._pick(1, 3))
        padded = kernel == 3 and (side < 4 or self._chance(0.7))
        stride = 2 if side >= 6 and self._chance(0.3) else 1
        made = self._convolved(
            value, channels, outputs, kernel=kernel, padding=int(padded), stride=stride, group=group
        )
        side = (side + 2 * int(padded) - kernel) // stride + 1
        return self._activation(self._normalized(made, outputs)), outputs, side

    def _depthwise(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        made = self._convolved(value, channels, channels, kernel=3, padding=1, group=channels)
        return self._activation(self._normalized(made, channels)), channels, side

    def _residual(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        inner = self._convolved(value, channels, channels, kernel=3, padding=1)
        inner = self._normalized(inner, channels)
        return self._activation(self.build.op("Add", inner, value)), channels, side

    def _branches(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        left = self._activation(self._convolved(value, channels, 2, kernel=1))
        right = self._activation(self._convolved(value, channels, 4, kernel=3, padding=1))
        return self.build.op("Concat", left, right, axis=1), 6, side

    def _pool(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        if side < 4:
            return value, channels, side
        kind = self._pick("MaxPool", "AveragePool")
        return self.build.op(kind, value, kernel_shape=[2, 2], strides=[2, 2]), channels, side // 2

    def _upsample(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int, int]:
        if side > 4:
            return value, channels, side
        weights = self._weights((channels, 4, 2, 2))
        made = self.build.op("ConvTranspose", value, weights, strides=[2, 2])
        return self._activation(self._normalized(made, 4)), 4, side * 2

    def _convolved(
        self,
        value: ir.Value,
        channels: int,
        outputs: int,
        *,
        kernel: int,
        padding: int = 0,
        stride: int = 1,
        group: int = 1,
    ) -> ir.Value:
        weights = self._weights((outputs, channels // group, kernel, kernel))
        bias = self._numbers(outputs) if self._chance(0.6) else None
        pads = [padding] * 4
        if padding and self.clutter and self._chance(0.2):
            value = self.build.op("Pad", value, np.array([0, 0, 1, 1, 0, 0, 1, 1]))
            pads = [0] * 4
        return self.build.op(
            "Conv", value, weights, bias, pads=pads, strides=[stride] * 2, group=group
        )

    def _dense(self, value: ir.Value, features: int, outputs: int) -> ir.Value:
        weights = self._weights((features, outputs))
        if self._chance(0.3):
            return self.build.op("MatMul", value, weights)
        bias = self._numbers(outputs)
        if self._chance(0.5):
            return self.build.op("Add", self.build.op("MatMul", value, weights), bias)
        if self._chance(0.5):
            return self.build.op("Gemm", value, weights.T.copy(), bias, transB=1)
        return self.build.op("Gemm", value, weights, bias, alpha=0.5, beta=2.0)

    def _softmax(self, value: ir.Value, classes: int) -> ir.Value:
        if not self.clutter or self._chance(0.6):
            return self.build.op("Softmax", value, axis=1)
        picture = np.array([1, classes, 1, 1])
        scaled = self.build.op("LeakyRelu", self.build.op("Reshape", value, picture), alpha=0.5)
        made = self.build.op("Softmax", self.build.op("Flatten", scaled, axis=1), axis=1)
        return self.build.op("Squeeze", self.build.op("Reshape", made, picture), np.array([2, 3]))

    def _head(self, value: ir.Value, channels: int, side: int) -> tuple[ir.Value, int]:
        if self._chance(0.5):
            pooled = self.build.op("GlobalAveragePool", value)
            return self._flat(pooled, channels), channels
        return self._flat(value, channels * side * side), channels * side * side

    def _flat(self, value: ir.Value, features: int) -> ir.Value:
        if not self.clutter or self._chance(0.4):
            return self.build.op("Flatten", value, axis=1)
        if self._chance(0.5):
            batch = self.build.op("Gather", self.build.op("Shape", value), np.array(0), axis=0)
            batch = self.build.op("Unsqueeze", batch, np.array([0]))
            shape = self.build.op("Concat", batch, np.array([-1]), axis=0)
            return self.build.op("Reshape", value, shape)
        flat = self.build.op("Reshape", value, np.array([1, features, 1]))
        return self.build.op("Squeeze", flat, np.array([2]))

    def _normalized(self, value: ir.Value, channels: int) -> ir.Value:
        if not self.clutter or self._chance(0.4):
            return value
        spread = self.rng.uniform(0.5, 2, (2, channels)).astype(np.float32)
        if self._chance(0.2):
            scaled = self.build.op("Mul", value, spread[0].reshape(1, channels, 1, 1))
            return self.build.op("Add", scaled, spread[1].reshape(channels, 1, 1))
        gamma, beta, mean = spread[0], self._numbers(channels), self._numbers(channels)
        return self.build.op("BatchNormalization", value, gamma, beta, mean, spread[1])

    def _activation(self, value: ir.Value) -> ir.Value:
        low, high = np.float32(0), np.float32(6)
        return self._pick(
            lambda: value,
            lambda: self.build.op("Relu", value),
            lambda: self.build.op("Relu", value),
            lambda: self.build.op("Clip", value, low, high),
            lambda: self.build.op("Clip", value, low),
            lambda: self.build.op("Sigmoid", value),
            lambda: self.build.op("LeakyRelu", value, alpha=0.2),
        )()

    def _litter(self, value: ir.Value, channels: int) -> ir.Value:
        """Perhaps something that changes nothing, or that a neighbour can do."""
        if not self.clutter or self._chance(0.5):
            return value
        build, order = self.build, [0, 2, 3, 1]
        each = self.rng.uniform(0.5, 2, (channels, 1, 1)).astype(np.float32)
        return self._pick(
            lambda: build.op("Identity", value),
            lambda: build.op("Dropout", value),
            lambda: build.op("Cast", value, to=ir.DataType.FLOAT),
            lambda: build.op("Mul", value, each),
            lambda: build.op("Div", value, np.float32(1.5)),
            lambda: build.op("Add", each, value),
            lambda: build.op("Sub", value, each),
            lambda: build.op(
                "Transpose", build.op("Transpose", value, perm=order), perm=[0, 3, 1, 2]
            ),
            lambda: build.op("Add", value, np.float32(0)),
            lambda: build.op("Mean", build.op("Relu", value), build.op("Relu", value)),
            lambda: build.op("Max", value, self._copy(each), self._copy(each)),
        )()

    def _copy(self, array: Array) -> ir.Value:
        """A constant that is stored though an equal one may be."""
        self.copies += 1
        return self.build.constant(array, name=f"copy_{self.copies}")

    def _weights(self, shape: tuple[int, ...]) -> Array:
        """Weights that keep numbers near 1; with clutter, some channels are all zero."""
        fan_in = max(1, int(np.prod(shape)) // shape[0])
        weights = self.rng.normal(0, fan_in**-0.5, shape).astype(np.float32)
        if self.clutter and self._chance(0.4):
            weights[self.rng.random(shape[0]) < 0.4] = 0
        if self.clutter and self._chance(0.4):
            weights[:, self.rng.random(shape[1]) < 0.4] = 0
        return weights

    def _numbers(self, count: int) -> Array:
        return self.rng.normal(0, 0.5, count).astype(np.float32)

    def _chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _pick(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]
