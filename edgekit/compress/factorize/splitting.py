"""Writes one layer of a graph as two."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import add_initializer, insert_before, set_constant

_OF_THE_WINDOW = ("auto_pad", "dilations", "kernel_shape", "pads", "strides")


def split_layer(model: ir.Model, layer: Layer, outer: Array, inner: Array) -> None:
    """Replaces a layer's matrix by ``outer @ inner``, each a layer: a Conv becomes one with fewer
    outputs and one of 1 x 1.

    Args:
        model: changed in place; the layer keeps its name and its bias.
        layer: one of the model's, of one group.
        outer: `[outputs, rank]`.
        inner: `[rank, inputs a patch]`.

    Raises:
        UnsupportedModel: the layer has groups.
    """
    if layer.groups > 1:
        raise UnsupportedModel(f"{layer.name!r} has groups and cannot be split in two")
    node, source = layer.node, layer.input
    kind, dtype = node.op_type, layer.weights.dtype
    if layer.is_conv:
        shape = layer.weights.shape
        first = inner.reshape(-1, *shape[1:])
        second = outer.reshape(*outer.shape, *(1 for _ in shape[2:]))
    else:
        transposed = node.attributes.get_int("transB", 0) == 1
        first, second = (inner, outer) if transposed else (inner.T, outer.T)
    weights = add_initializer(
        model, f"{layer.output.name}_inner_weight", np.ascontiguousarray(first.astype(dtype))
    )
    reduced = ir.Node(
        "",
        kind,
        [source, weights],
        attributes=[a for a in node.attributes.values() if a.name not in ("beta",)],
        name=f"{layer.name}_inner",
    )
    reduced.outputs[0].name = f"{layer.output.name}_inner"
    insert_before(model, node, 0, [reduced])
    reduced.outputs[0].shape = None
    set_constant(model, node, 1, np.ascontiguousarray(second.astype(dtype)))
    if layer.is_conv:
        for name in _OF_THE_WINDOW:
            node.attributes.pop(name, None)
