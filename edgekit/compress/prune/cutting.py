"""Takes units out of a graph, so that its shapes shrink."""

from collections.abc import Set

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.prune.channels import Channels, Sizes
from edgekit.compress.prune.tracing import shape_of, trace
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import set_constant
from edgekit.graph.match import constant
from edgekit.graph.shapes import infer_shapes


def cut(model: ir.Model, units: Set[int]) -> ir.Model:
    """A new model without some units: it computes what the model does if nothing reads them.

    Args:
        model: a canonical model; left as it is. Names of nodes and values stay the same.
        units: of `trace(model)`.

    Raises:
        UnsupportedModel: a unit cannot go, or a value would lose all of its channels.
    """
    smaller = model.clone()
    channels = trace(smaller)
    fixed = channels.fixed()
    for unit in units & set(fixed):
        raise UnsupportedModel(f"a channel cannot be pruned: it is {fixed[unit]}")
    for piece in channels.slices:
        kept = is_kept(channels, piece.units, units)
        if not kept.any():
            raise UnsupportedModel(f"all channels of {piece.node.outputs[0].name!r} would go")
        numbers = constant(piece.node.inputs[piece.input_index])
        if kept.all() or numbers is None:
            continue
        shorter = np.compress(kept, numbers, axis=piece.axis)
        set_constant(smaller, piece.node, piece.input_index, shorter)
    for sizes in channels.sizes:
        counts = [int(is_kept(channels, part, units).sum()) for part in sizes.parts]
        if 0 in counts:
            raise UnsupportedModel(f"all channels of {sizes.node.outputs[0].name!r} would go")
        if counts != [len(part) for part in sizes.parts]:
            _recount(smaller, sizes, counts)
    for node in smaller.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None
    return infer_shapes(smaller)


def is_kept(channels: Channels, entries: Array, units: Set[int]) -> Array:
    """Bool `[entries]`: which entries of a slice stay when units go."""
    return ~np.isin(channels.roots(entries), list(units))


def _recount(model: ir.Model, sizes: Sizes, counts: list[int]) -> None:
    node, index = sizes.node, 1
    if sizes.kind == "group":
        node.attributes.add(ir.AttrInt64("group", counts[0]))
        return
    if sizes.kind == "split":
        numbers = counts
        node.attributes.pop("num_outputs", None)
    else:
        numbers = list(shape_of(node.outputs[0]) or ())
        numbers[sizes.axis] = counts[0]
        index = 3 if sizes.kind == "sizes" else 1
    set_constant(model, node, index, np.array(numbers, np.int64))
