"""Follows the output channels of a layer to the layers that read them."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.match import (
    constant,
    float_of,
    input_of,
    int_of,
    ints_of,
    is_op,
    static_shape,
)
from edgekit.graph.passes.affine import Affine

_UNARY: dict[str, Callable[[Array], Array]] = {
    "Relu": lambda x: np.maximum(x, 0),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "HardSwish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "Softplus": lambda x: np.log1p(np.exp(x)),
    "Exp": np.exp,
    "Neg": np.negative,
    "Abs": np.abs,
}


@dataclass(frozen=True)
class Place:
    """Where a layer's channels are along axis 1 of a value: channel k takes `width` in a row.

    Attributes:
        start: where channel 0 begins.
        width: how many each takes: more than one where the picture was flattened.
    """

    start: int = 0
    width: int = 1

    def columns(self, channels: Array) -> Array:
        """The indices of these channels, channel by channel."""
        first = self.start + channels * self.width
        return np.asarray((first[:, np.newaxis] + np.arange(self.width)).reshape(-1))


@dataclass(frozen=True)
class Reading:
    """A Conv or Gemm that reads the channels.

    Attributes:
        layer: the reader.
        place: where in its input they are.
        constants: float64 [channels], the number a channel always is, or NaN.
    """

    layer: Affine
    place: Place
    constants: Array


@dataclass
class Flow:
    """All that one layer's output channels go through.

    Attributes:
        readings: the layers where they end.
        depthwise: depthwise Convs on the way, which keep each channel apart, by place.
        reshapes: Reshape nodes on the way.
        values: every value they are in, by place.
    """

    readings: list[Reading] = field(default_factory=list)
    depthwise: list[tuple[Affine, Place]] = field(default_factory=list)
    reshapes: list[ir.Node] = field(default_factory=list)
    values: list[tuple[ir.Value, Place]] = field(default_factory=list)

    @classmethod
    def of(cls, layer: Affine, constants: Array) -> "Flow | None":
        """Follows a layer's output.

        Args:
            layer: a Conv or Gemm.
            constants: float64 [outputs], the number an output channel always is, or NaN.

        Returns:
            `None` where a channel gets somewhere that is not understood: a public output, an Add
            of two, a layer whose weights are not constant.
        """
        flow = cls()
        return flow if flow._follow(layer.node.outputs[0], Place(), constants) else None

    def _follow(self, value: ir.Value, place: Place, constants: Array) -> bool:
        if value.is_graph_output():
            return False
        self.values.append((value, place))
        return all(self._enter(node, index, place, constants) for node, index in value.uses())

    def _enter(self, node: ir.Node, index: int, place: Place, constants: Array) -> bool:
        if len(node.outputs) != 1 or (index != 0 and not is_op(node, "Concat")):
            return False
        if is_op(node, "Conv", "Gemm"):
            return self._enter_layer(node, place, constants)
        if is_op(node, "Concat"):
            before = _start_in_concat(node, index)
            if before is None:
                return False
            place = Place(before + place.start, place.width)
        elif is_op(node, "Flatten", "Reshape"):
            size = _flattened_size(node)
            if size is None:
                return False
            place = Place(place.start * size, place.width * size)
            if is_op(node, "Reshape"):
                self.reshapes.append(node)
        else:
            result = _through(node, constants)
            if result is None:
                return False
            constants = result
        return self._follow(node.outputs[0], place, constants)

    def _enter_layer(self, node: ir.Node, place: Place, constants: Array) -> bool:
        layer = Affine.of(node)
        if layer is None or int_of(node, "transA", 0):
            return False
        if int_of(node, "group", 1) == 1:
            self.readings.append(Reading(layer, place, constants))
            return True
        if layer.weights.shape[1] != 1 or layer.outputs != layer.inputs:
            return False
        self.depthwise.append((layer, place))
        own = place.columns(np.arange(len(constants)))
        sums = layer.weights[own].astype(np.float64).reshape(len(own), -1).sum(axis=1)
        unread = ~layer.weights[own].any(axis=tuple(range(1, layer.rank)))
        exact = (constants == 0) | np.full(len(own), not layer.has_padding)
        result = np.where(exact, constants * sums, np.nan)
        result = np.where(unread, 0.0, result) + layer.bias.reshape(-1)[own]
        return self._follow(node.outputs[0], place, result)


def _through(node: ir.Node, constants: Array) -> Array | None:
    """What constant channels are behind a node that keeps channels apart, or `None`."""
    if is_op(node, *_UNARY):
        with np.errstate(over="ignore"):
            return _UNARY[node.op_type](constants)
    if is_op(node, "LeakyRelu"):
        return np.where(constants < 0, constants * float_of(node, "alpha", 0.01), constants)
    if is_op(node, "Clip"):
        bounds = [constant(value) for value in node.inputs[1:] if value is not None]
        if any(bound is None for bound in bounds) or {"min", "max"} & set(node.attributes):
            return None
        low, high = constant(input_of(node, 1)), constant(input_of(node, 2))
        lowest = -np.inf if low is None else float(low.item())
        return np.clip(constants, lowest, np.inf if high is None else float(high.item()))
    if is_op(node, "MaxPool", "GlobalMaxPool", "GlobalAveragePool"):
        return constants
    if is_op(node, "AveragePool"):
        includes = int_of(node, "count_include_pad", 0)
        return np.where(constants == 0, constants, np.nan) if includes else constants
    if is_op(node, "ReduceMean"):
        given = constant(input_of(node, 1))
        axes = ints_of(node, "axes") if given is None else [int(axis) for axis in given]
        return constants if axes and min(axes) >= 2 else None
    return None


def _start_in_concat(node: ir.Node, index: int) -> int | None:
    """How many channels a Concat puts in front of its input number `index`."""
    before = [static_shape(value) for value in node.inputs[:index]]
    if int_of(node, "axis", 0) != 1 or any(shape is None for shape in before):
        return None
    return sum(shape[1] for shape in before if shape is not None)


def _flattened_size(node: ir.Node) -> int | None:
    """How many numbers of a channel a Flatten or Reshape to [batch, -1] puts in a row."""
    before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    if before is None or after is None or len(before) < 2 or len(after) != 2:
        return None
    if before[0] != after[0] or 0 in before:
        return None
    if is_op(node, "Reshape") and constant(input_of(node, 1)) is None:
        return None
    return int(np.prod(before[2:], dtype=np.int64))
