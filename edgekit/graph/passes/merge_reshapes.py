"""Makes one reshaping of several in a row."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edit import add_initializer, become
from edgekit.graph.match import is_op, static_shape
from edgekit.graph.passes.graph_pass import GraphPass

_KINDS = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


class MergeReshapes(GraphPass):
    """Turns Reshape, Flatten, Squeeze or Unsqueeze behind another of them into one Reshape.

    Other readers of the first keep it. Leaves a pair alone where the last shape is not known.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Merges one node with the one in front of it."""
        first = node.inputs[0].producer() if node.inputs and node.inputs[0] else None
        if not is_op(node, *_KINDS) or first is None or not is_op(first, *_KINDS):
            return False
        shape, value = static_shape(node.outputs[0]), first.inputs[0]
        if shape is None or value is None or 0 in shape:
            return False
        name = f"{node.outputs[0].name}_shape"
        target = add_initializer(model, name, np.array(shape, np.int64))
        become(node, "Reshape", [value, target])
        return True
