"""Adds the layers that small nets are made of to a graph."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder

Weights = Sequence[tuple[Array, Array]]
"""Weights and bias of each layer, float32, in the order in which a net's builder makes them:
`[out, in, height, width]` and `[out]` of a Conv, `[in, out]` and `[out]` of a dense layer."""

_EPSILON = 1e-3  # Keras's own, with which the reference nets were trained


@dataclass(frozen=True)
class Features:
    """A float32 value `[1, channels, *size]`; `size` is empty for one that is flat."""

    value: ir.Value
    channels: int
    size: tuple[int, ...] = ()


class Layers:
    """Makes layers with given weights, or with a BatchNormalization and weights to be learned.

    Without weights, each layer starts with He et al.'s (2015, arXiv:1502.01852), and all but the
    last have a BatchNormalization in place of a bias, as a training framework's exporter leaves
    them.

    Args:
        build: where the nodes go.
        weights: of each layer, in order.
        seed: of the weights to be learned.

    Raises:
        UnsupportedModel: (each method) the weights are not this net's.
    """

    def __init__(self, build: GraphBuilder, weights: Weights | None, *, seed: int) -> None:
        self._build = build
        self._given = weights
        self._rng = np.random.default_rng(seed)
        self._made = 0

    def conv(
        self,
        features: Features,
        channels: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        depthwise: bool = False,
    ) -> Features:
        """A Conv that pads as Keras's "same": its output has `size / stride`, rounded up."""
        ends = [
            _same_padding(axis, width, stride)
            for axis, width in zip(features.size, kernel, strict=True)
        ]
        shape = (channels, 1 if depthwise else features.channels, *kernel)
        made = self._layer(
            "Conv",
            features,
            shape,
            fan_in=shape[1] * shape[2] * shape[3],
            kernel_shape=list(kernel),
            strides=[stride, stride],
            pads=[start for start, _ in ends] + [end for _, end in ends],
            group=features.channels if depthwise else 1,
        )
        size = tuple(-(-axis // stride) for axis in features.size)
        return Features(made, channels, size)

    def dense(self, features: Features, channels: int, *, last: bool = False) -> Features:
        """A Gemm; the last of a net has a bias and no BatchNormalization."""
        shape = (features.channels, channels)
        made = self._layer("Gemm", features, shape, fan_in=features.channels, last=last)
        return Features(made, channels)

    def relu(self, features: Features) -> Features:
        """What is positive of each value."""
        made = self._build.op("Relu", features.value)
        return Features(made, features.channels, features.size)

    def add(self, one: Features, other: Features) -> Features:
        """The sum of two of a shape."""
        made = self._build.op("Add", one.value, other.value)
        return Features(made, one.channels, one.size)

    def pool(self, features: Features) -> Features:
        """The mean of each channel, flat."""
        pooled = self._build.op("AveragePool", features.value, kernel_shape=list(features.size))
        return Features(self._build.op("Flatten", pooled, axis=1), features.channels)

    def _layer(
        self,
        kind: str,
        features: Features,
        shape: tuple[int, ...],
        *,
        fan_in: int,
        last: bool = False,
        **attributes: object,
    ) -> ir.Value:
        build, name = self._build, f"{kind.lower()}_{self._made}"
        channels = shape[1] if kind == "Gemm" else shape[0]
        normalised = self._given is None and not last
        if self._given is None:
            weight = self._rng.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
            bias = np.zeros(channels, np.float32)
        else:
            weight, bias = self._next(shape)
        self._made += 1
        if last and self._given is not None and len(self._given) > self._made:
            raise UnsupportedModel(f"has weights of {len(self._given)} layers, not {self._made}")
        operands = [build.constant(weight, f"{name}.weight")]
        if not normalised:
            operands.append(build.constant(bias, f"{name}.bias"))
        made = build.op(kind, features.value, *operands, **attributes)
        if not normalised:
            return made
        statistics = {"scale": 1, "shift": 0, "mean": 0, "variance": 1}
        return build.op(
            "BatchNormalization",
            made,
            *(
                build.constant(np.full(channels, start, np.float32), f"{name}.{part}")
                for part, start in statistics.items()
            ),
            epsilon=_EPSILON,
        )

    def _next(self, shape: tuple[int, ...]) -> tuple[Array, Array]:
        assert self._given is not None
        if self._made >= len(self._given):
            raise UnsupportedModel(f"has weights of only {self._made} layers")
        weight, bias = self._given[self._made]
        if weight.shape != shape:
            raise UnsupportedModel(
                f"the weights of layer {self._made} are {list(weight.shape)}, not {list(shape)}"
            )
        return weight.astype(np.float32), bias.astype(np.float32)


def _same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """How many zeros Keras puts before and after an axis: the odd one goes after."""
    missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return missing // 2, missing - missing // 2
