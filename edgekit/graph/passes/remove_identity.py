"""Removes nodes that hand on what they read."""

import onnx_ir as ir

from edgekit.graph.edit import can_take_name, replace_node
from edgekit.graph.match import constant, input_of, is_op
from edgekit.graph.passes.graph_pass import GraphPass


class RemoveIdentity(GraphPass):
    """Removes Identity, and Dropout as it is after training.

    Leaves an Identity alone that gives an input, a constant or another output its public name, or
    brings an outer value into a subgraph; and a Dropout in training mode or whose mask is read.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Removes one node."""
        if not is_op(node, "Identity") and not _is_idle_dropout(node):
            return False
        return skip(node, node.inputs[0])


def skip(node: ir.Node, value: ir.Value | None) -> bool:
    """Removes a node whose first output equals `value`; whether it could.

    It cannot where the output is public and `value` cannot take its name, unless an Identity is
    still less than the node.
    """
    if value is None:
        return False
    old = node.outputs[0]
    if is_op(node, "Identity") and old.is_graph_output() and not can_take_name(value, old):
        return False
    replace_node(node, with_value=value)
    return True


def _is_idle_dropout(node: ir.Node) -> bool:
    if not is_op(node, "Dropout"):
        return False
    if any(value.uses() or value.is_graph_output() for value in node.outputs[1:]):
        return False
    if "is_test" in node.attributes:  # opset 6 and before
        return node.attributes["is_test"].as_int() != 0
    training = input_of(node, 2)
    return training is None or ((array := constant(training)) is not None and not array.any())
