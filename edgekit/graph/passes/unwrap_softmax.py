"""Takes away the reshaping around a Softmax that older opsets need to be raised."""

import onnx_ir as ir

from edgekit.graph.edit import become
from edgekit.graph.match import int_of, is_op, only_producer, static_shape
from edgekit.graph.passes.graph_pass import GraphPass


class UnwrapSoftmax(GraphPass):
    """Turns Flatten or Reshape -> Softmax -> Reshape into one Softmax along the classes.

    For Softmax and LogSoftmax over [batch, classes] between two reshapings of
    [batch, classes, 1, 1]. Leaves it alone where another shape is in front or behind, where a shape
    is not known, or where anything else reads what is between.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Unwraps around one Reshape behind a Softmax."""
        if not is_op(node, "Reshape", "Unsqueeze"):
            return False
        softmax = only_producer(node.inputs[0], "Softmax", "LogSoftmax")
        flat = softmax and only_producer(softmax.inputs[0], "Flatten", "Reshape", "Squeeze")
        if softmax is None or flat is None or flat.inputs[0] is None:
            return False
        outer, inner = static_shape(flat.inputs[0]), static_shape(softmax.inputs[0])
        if outer is None or inner is None or static_shape(node.outputs[0]) != outer:
            return False
        if len(inner) != 2 or outer != (*inner, *[1] * (len(outer) - 2)):
            return False
        if int_of(softmax, "axis", -1) not in (1, -1):
            return False
        become(node, softmax.op_type, flat.inputs[:1], {"axis": 1})
        return True
