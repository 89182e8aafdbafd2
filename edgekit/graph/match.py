"""Questions about a graph: who makes a value, who reads it, what is constant."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array


def is_op(node: ir.Node | None, *kinds: str) -> bool:
    """Whether a node is a standard operator of one of these kinds."""
    return node is not None and node.domain in ("", "ai.onnx") and node.op_type in kinds


def only_reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, if there is just one and the value is no graph output."""
    readers = {node for node, _ in value.uses()}
    if len(readers) != 1 or value.is_graph_output():
        return None
    return readers.pop()


def constant(value: ir.Value | None) -> Array | None:
    """The array behind an initialiser that is no input, else `None`."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return np.asarray(value.const_value.numpy())


def ints_of(node: ir.Node, name: str) -> list[int] | None:
    """An integer-list attribute, or `None` where the node leaves it to its default."""
    attribute = node.attributes.get(name)
    return None if attribute is None else [int(number) for number in attribute.as_ints()]
