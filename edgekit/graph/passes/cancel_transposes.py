"""Removes layout changes that undo each other."""

import onnx_ir as ir

from edgekit.graph.edit import become
from edgekit.graph.match import ints_of, is_op
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.passes.remove_identity import skip


class CancelTransposes(GraphPass):
    """Turns Transpose -> Transpose into one, or into none where the second undoes the first.

    Other readers of the first keep it. Leaves a pair alone where an order is not written down.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Merges one Transpose with the one in front of it."""
        first = node.inputs[0].producer() if node.inputs and node.inputs[0] else None
        if not is_op(node, "Transpose") or first is None or not is_op(first, "Transpose"):
            return False
        inner, outer = ints_of(first, "perm"), ints_of(node, "perm")
        if inner is None or outer is None or first.inputs[0] is None:
            return False
        order = [inner[axis] for axis in outer]
        if order == sorted(order):
            return skip(node, first.inputs[0])
        become(node, "Transpose", [first.inputs[0]], {"perm": order})
        return True
