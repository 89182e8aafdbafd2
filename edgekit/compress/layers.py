"""The linear layers of a graph, each seen as matrices: what rounding and pruning work on."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import free_name
from edgekit.graph.match import constant, input_of, ints_of, is_op


@dataclass(frozen=True)
class Layer:
    """A Conv, Gemm or MatMul with constant weights.

    Every such layer computes ``W @ patches + bias`` for each of its groups: `matrix` is `W` and
    `patches` gives the columns, so that a method written for matrices serves all of them.

    Attributes:
        node: the node.
        input: what it reads.
        output: what it gives.
    """

    node: ir.Node
    input: ir.Value
    output: ir.Value

    @property
    def name(self) -> str:
        """The node's name, or its output's where it has none."""
        return str(self.node.name or self.output.name)

    @property
    def is_conv(self) -> bool:
        """Whether its weights slide over its input."""
        return self.node.op_type == "Conv"

    @property
    def groups(self) -> int:
        """How many independent matrices it has; only a Conv may have more than one."""
        attribute = self.node.attributes.get("group")
        return 1 if attribute is None or not self.is_conv else int(attribute.as_int())

    @property
    def weights(self) -> Array:
        """The weights as they stand in the graph."""
        weights = constant(self.node.inputs[1])
        assert weights is not None
        return weights

    @property
    def bias(self) -> Array | None:
        """The constant bias `[outputs]`, if there is one."""
        bias = constant(input_of(self.node, 2))
        return None if bias is None else np.broadcast_to(bias.reshape(-1), (self.outputs,))

    @property
    def can_have_bias(self) -> bool:
        """Whether the operator takes one."""
        return self.node.op_type != "MatMul"

    @property
    def outputs(self) -> int:
        """How many output channels it has."""
        return int(np.prod(self.matrix().shape[:2]))

    def matrix(self) -> Array:
        """The weights float64 `[groups, outputs a group, inputs a patch]`."""
        return self.matrix_of(self.weights.astype(np.float64))

    def matrix_of(self, weights: Array) -> Array:
        """Anything of the weights' shape as `matrix` gives them."""
        rows = weights if self.rows_first else weights.T
        return rows.reshape(self.groups, len(rows) // self.groups, -1)

    def shaped(self, matrix: Array) -> Array:
        """A matrix as `matrix` gives it, in the shape and order of the weights in the graph."""
        weights = self.weights
        if self.is_conv:
            return matrix.reshape(weights.shape)
        flat = matrix.reshape(-1, matrix.shape[-1])
        return flat if self._is_transposed else flat.T

    def patches(self, values: Array) -> Array:
        """What the matrix is multiplied with: `[groups, inputs a patch, positions]`.

        Args:
            values: the layer's input `[N, ...]`, float32.
        """
        if not self.is_conv:
            return values.reshape(-1, values.shape[-1]).T[np.newaxis]
        kernel = self.weights.shape[2:]
        axes = len(kernel)
        strides = ints_of(self.node, "strides") or [1] * axes
        dilations = ints_of(self.node, "dilations") or [1] * axes
        pads = _pads(self.node, values.shape[2:], kernel, strides, dilations)
        values = np.pad(values, [(0, 0), (0, 0), *pads])
        spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
        windows = sliding_window_view(values, spans, axis=tuple(range(2, 2 + axes)))
        steps = [slice(None, None, step) for step in strides]
        taps = [slice(None, None, step) for step in dilations]
        windows = windows[(slice(None), slice(None), *steps, *taps)]
        channels = windows.shape[1]
        inner = windows.transpose(
            1, *range(2 + axes, 2 + 2 * axes), 0, *range(2, 2 + axes)
        )  # [C, kernel, N, positions]
        per_group = channels // self.groups
        return inner.reshape(self.groups, per_group * int(np.prod(kernel)), -1)

    def responses(self, values: Array) -> Array:
        """Values of the layer's output `[N, ...]` as `[groups, outputs a group, positions]`."""
        if not self.is_conv:
            return values.reshape(-1, values.shape[-1]).T[np.newaxis]
        channels = np.moveaxis(values, 1, 0)
        return channels.reshape(self.groups, values.shape[1] // self.groups, -1)

    @property
    def rows_first(self) -> bool:
        """Whether the first axis of the weights is that of the outputs; else it is the second."""
        return self.is_conv or self._is_transposed

    @property
    def _is_transposed(self) -> bool:
        attribute = self.node.attributes.get("transB")
        return attribute is not None and attribute.as_int() == 1


def name_nodes(model: ir.Model) -> None:
    """Gives every node a name of its own, by its first output, so that plans can speak of it.

    Of nodes that share a name, the first keeps it.
    """
    taken, met = {node.name for node in model.graph}, set[str | None]()
    for node in model.graph:
        if not node.name or node.name in met:
            node.name = free_name(str(node.outputs[0].name), taken)
            taken.add(node.name)
        met.add(node.name)


def linear_layers(model: ir.Model) -> list[Layer]:
    """Every layer whose weights and bias are constant, in the order in which it runs."""
    return list(_layers(model))


def layer_named(model: ir.Model, name: str) -> Layer:
    """One layer.

    Raises:
        UnsupportedModel: the graph has none of that name.
    """
    for layer in _layers(model):
        if layer.name == name:
            return layer
    raise UnsupportedModel(f"has no layer {name!r} with constant weights")


def _layers(model: ir.Model) -> Iterator[Layer]:
    for node in model.graph:
        if is_layer(node):
            assert node.inputs[0] is not None
            yield Layer(node, node.inputs[0], node.outputs[0])


def is_layer(node: ir.Node) -> bool:
    """Whether a node is a linear layer whose weights and bias are constant."""
    if not is_op(node, "Conv", "Gemm", "MatMul"):
        return False
    weights, value = constant(node.inputs[1]), node.inputs[0]
    if weights is None or value is None or not _is_matrix(node, weights):
        return False
    return _adds_a_vector(Layer(node, value, node.outputs[0]))


def _adds_a_vector(layer: Layer) -> bool:
    """Whether what the node adds is nothing, or constant and one number for each output."""
    if input_of(layer.node, 2) is None:
        return True
    bias = constant(layer.node.inputs[2])
    return bias is not None and (
        bias.size == 1 or bias.shape[-1:] == (bias.size,) == (layer.outputs,)
    )


def _is_matrix(node: ir.Node, weights: Array) -> bool:
    if node.op_type == "Conv":
        return weights.ndim >= 3
    scaled = [
        name
        for name, plain in (("alpha", 1.0), ("beta", 1.0), ("transA", 0.0))
        if name in node.attributes and float(node.attributes[name].value) != plain
    ]
    return weights.ndim == 2 and not scaled


def _pads(
    node: ir.Node,
    sizes: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: list[int],
    dilations: list[int],
) -> list[tuple[int, int]]:
    automatic = node.attributes.get("auto_pad")
    mode = "NOTSET" if automatic is None else automatic.as_string()
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        pads = []
        for size, taps, step, gap in zip(sizes, kernel, strides, dilations, strict=True):
            total = max((-(-size // step) - 1) * step + (taps - 1) * gap + 1 - size, 0)
            less, more = total // 2, total - total // 2
            pads.append((less, more) if mode == "SAME_UPPER" else (more, less))
        return pads
    given = ints_of(node, "pads") or [0] * (2 * len(kernel))
    return list(zip(given[: len(kernel)], given[len(kernel) :], strict=True))
