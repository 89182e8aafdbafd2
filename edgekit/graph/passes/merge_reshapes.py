"""Makes one reshaping of several in a row."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edit import add_initializer, become
from edgekit.graph.match import ints_of, is_op, static_shape
from edgekit.graph.passes.graph_pass import GraphPass

_KINDS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


class MergeReshapes(GraphPass):
    """Turns Reshape, Flatten, Squeeze or Unsqueeze behind another of them into one Reshape.

    A Transpose beside one of them counts as one where it only moves axes of size 1, which leaves
    all numbers in their order. Other readers of the first keep it. Leaves a pair alone where the
    last shape is not known.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Merges one node with the one in front of it."""
        first = node.inputs[0].producer() if node.inputs and node.inputs[0] else None
        if first is None or not (is_op(node, *_KINDS) or is_op(first, *_KINDS)):
            return False
        if not (_keeps_order(node) and _keeps_order(first)):
            return False
        shape, value = static_shape(node.outputs[0]), first.inputs[0]
        if shape is None or value is None or 0 in shape:
            return False
        name = f"{node.outputs[0].name}_shape"
        target = add_initializer(model, name, np.array(shape, np.int64))
        become(node, "Reshape", [value, target])
        return True


def _keeps_order(node: ir.Node) -> bool:
    if not is_op(node, "Transpose"):
        return is_op(node, *_KINDS)
    order, shape = ints_of(node, "perm"), static_shape(node.inputs[0])
    if order is None or shape is None:
        return False
    moved = [axis for axis in order if shape[axis] != 1]
    return moved == sorted(moved)
