"""Nets with every way in which channels meet, drawn at random."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.graph.shapes import infer_shapes

SIDE = 6


class Net:
    """Builds a net a layer at a time; weights are seeded."""

    def __init__(self, seed: int = 0) -> None:
        self.build = GraphBuilder("net")
        self.rng = np.random.default_rng(seed)
        self.channels: dict[ir.Value, int] = {}

    def image(self, channels: int = 3, side: int = SIDE) -> ir.Value:
        value = self.build.input("image", np.float32, (1, channels, side, side))
        self.channels[value] = channels
        return value

    def random(self, *shape: int) -> Array:
        spread = np.sqrt(max(1.0, float(np.prod(shape[1:]))))
        return (self.rng.normal(size=shape) / spread).astype(np.float32)

    def conv(self, x: ir.Value, outputs: int, *, kernel: int = 3, group: int = 1) -> ir.Value:
        inputs = self.channels[x]
        weights = self.random(outputs, inputs // group, kernel, kernel)
        return self._keep(
            self.build.op(
                "Conv",
                x,
                weights,
                self.random(outputs),
                group=group,
                kernel_shape=[kernel, kernel],
                pads=[kernel // 2] * 4,
            ),
            outputs,
        )

    def depthwise(self, x: ir.Value, multiplier: int = 1) -> ir.Value:
        return self.conv(x, self.channels[x] * multiplier, group=self.channels[x])

    def op(self, kind: str, *operands: ir.Value | Array, **attributes: object) -> ir.Value:
        """An operator that keeps its first operand's channels."""
        return self._keep(
            self.build.op(kind, *operands, **attributes),
            self.channels[operands[0]],  # type: ignore[index]
        )

    def norm(self, x: ir.Value) -> ir.Value:
        count = self.channels[x]
        scale, shift, mean = (self.random(count) for _ in range(3))
        return self.op("BatchNormalization", x, scale, shift, mean, np.abs(self.random(count)) + 1)

    def concat(self, *parts: ir.Value) -> ir.Value:
        total = sum(self.channels[part] for part in parts)
        return self._keep(self.build.op("Concat", *parts, axis=1), total)

    def split(self, x: ir.Value) -> list[ir.Value]:
        first = self.channels[x] // 3 or 1
        sizes = [first, self.channels[x] - first]
        parts = self.build.op_many("Split", x, np.array(sizes), outputs=2, axis=1)
        return [self._keep(part, size) for part, size in zip(parts, sizes, strict=True)]

    def classifier(self, x: ir.Value, *, side: int | None = SIDE, classes: int = 5) -> ir.Model:
        """Flattens all positions, or with `side` None their mean, into a dense layer."""
        if side is None:
            x = self.op("GlobalAveragePool", x)
        flat = self.build.op("Flatten", x, axis=1)
        width = self.channels[x] * (side or 1) ** 2
        logits = self.build.op(
            "Gemm", flat, self.random(classes, width), self.random(classes), transB=1
        )
        scores = self.build.op("Softmax", logits, axis=1)
        return infer_shapes(self.build.finish(scores=(scores, np.float32, (1, classes))))

    def _keep(self, value: ir.Value, channels: int) -> ir.Value:
        self.channels[value] = channels
        return value


@st.composite
def nets(draw: st.DrawFn) -> ir.Model:
    """A classifier of up to six random layers behind a first Conv."""
    net = Net(seed=draw(st.integers(0, 2**16)))
    counts = st.sampled_from([2, 4, 6])
    x = net.conv(net.image(), draw(counts))
    for _ in range(draw(st.integers(1, 6))):
        x = draw(st.sampled_from(_LAYERS))(net, x, draw(counts))
    return net.classifier(x, side=draw(st.sampled_from([None, SIDE])))


def _residual(net: Net, x: ir.Value, count: int) -> ir.Value:
    inner = net.op("Relu", net.conv(x, count))
    return net.op("Add", x, net.conv(inner, net.channels[x], kernel=1))


def _fire(net: Net, x: ir.Value, count: int) -> ir.Value:
    squeezed = net.op("Relu", net.conv(x, count, kernel=1))
    return net.concat(net.conv(squeezed, count), net.conv(squeezed, 2 * count, kernel=1))


def _gated(net: Net, x: ir.Value, count: int) -> ir.Value:
    pooled = net.op("GlobalAveragePool", x)
    inner = net.op("Relu", net.conv(pooled, count, kernel=1))
    gate = net.op("Sigmoid", net.conv(inner, net.channels[x], kernel=1))
    return net.op("Mul", x, gate)


def _split_and_joined(net: Net, x: ir.Value, count: int) -> ir.Value:
    first, second = net.split(x)
    return net.concat(net.op("Relu", second), net.conv(first, count))


_LAYERS: list[Callable[[Net, ir.Value, int], ir.Value]] = [
    lambda net, x, count: net.op("Relu", net.conv(x, count)),
    lambda net, x, count: net.conv(x, count, kernel=1, group=2 if net.channels[x] % 2 == 0 else 1),
    lambda net, x, _: net.depthwise(x),
    lambda net, x, _: net.depthwise(x, 2),
    lambda net, x, _: net.norm(x),
    lambda net, x, _: net.op("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    lambda net, x, _: net.op("Mul", x, net.random(net.channels[x], 1, 1)),
    lambda net, x, _: net.op("Add", x, net.random(1, 1, SIDE)),
    _residual,
    _fire,
    _gated,
    _split_and_joined,
]
