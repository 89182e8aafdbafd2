"""Writes one layer of a graph as two."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.compress.factorize.factoring import Factors
from edgekit.compress.layers import Layer
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import add_initializer, insert_before, set_constant
from edgekit.graph.match import ints_of


def split_layer(model: ir.Model, layer: Layer, factors: Factors) -> None:
    """Replaces a layer by two that compute ``second(first(x)) + bias``.

    Args:
        model: changed in place; the second layer has the name, the output and the bias of the
            one that was there.
        layer: one of the model's, of one group.
        factors: their weights.

    Raises:
        UnsupportedModel: the layer has groups.
    """
    if layer.groups > 1:
        raise UnsupportedModel(f"{layer.name!r} has groups and cannot be split in two")
    node, name = layer.node, layer.output.name
    dtype = layer.weights.dtype
    arrays = [factors.first, factors.second]
    if not layer.is_conv:
        arrays = [array.reshape(array.shape[:2]) for array in arrays]
        if node.attributes.get_int("transB", 0) == 0:
            arrays = [array.T for array in arrays]
    first, second = (np.ascontiguousarray(array.astype(dtype)) for array in arrays)
    weights = add_initializer(model, f"{name}_inner_weight", first)
    inner = ir.Node(
        "",
        node.op_type,
        [layer.input, weights],
        attributes=list(node.attributes.values()),
        name=f"{layer.name}_inner",
    )
    inner.outputs[0].name = f"{name}_inner"
    if layer.is_conv:
        kernel = factors.first.shape[2:]
        own = [size == whole for size, whole in zip(kernel, layer.weights.shape[2:], strict=True)]
        _look_along(inner, kernel, own)
        _look_along(node, factors.second.shape[2:], [not first for first in own])
    insert_before(model, node, 0, [inner])
    inner.outputs[0].shape = None
    set_constant(model, node, 1, second)


def _look_along(node: ir.Node, kernel: Sequence[int], own: Sequence[bool]) -> None:
    """Leaves a Conv the strides, pads and dilations of its own axes."""
    node.attributes.add(ir.AttrInt64s("kernel_shape", list(kernel)))
    for name, plain in (("strides", 1), ("dilations", 1), ("pads", 0)):
        numbers = ints_of(node, name)
        if numbers is not None:
            kept = [n if own[place % len(own)] else plain for place, n in enumerate(numbers)]
            node.attributes.add(ir.AttrInt64s(name, kept))
