"""Removes operators that change nothing, as they are set."""

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from edgekit.graph.match import (
    constant,
    input_of,
    int_of,
    ints_of,
    is_op,
    static_shape,
)
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.passes.remove_identity import skip


class RemoveNoOps(GraphPass):
    """Removes an operator whose output equals its input.

    A Cast to the type it reads; a Reshape, Flatten, Expand, Tile, Slice, Resize... to the shape it
    reads; a Pad by nothing; a Transpose that keeps the order; Concat, Sum, Max, Min and Mean of one
    value; x + 0, x - 0, x * 1, x / 1 and x ^ 1. Leaves one alone where the shapes or types that
    prove it are not known.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Removes one node."""
        changes_nothing = _RULES.get(node.op_type)
        if changes_nothing is None or not is_op(node, node.op_type):
            return False
        place = changes_nothing(node)
        return place is not None and skip(node, node.inputs[place])


def _cast(node: ir.Node) -> int | None:
    value = node.inputs[0]
    same = value is not None and value.dtype == ir.DataType(int_of(node, "to", 0))
    return 0 if same else None


def _same_shape(node: ir.Node) -> int | None:
    """For operators that keep the elements' order: an equal shape is an equal value."""
    before, after = static_shape(node.inputs[0]), static_shape(node.outputs[0])
    return 0 if before is not None and before == after else None


def _slice(node: ir.Node) -> int | None:
    """As many elements as before are all of them, but perhaps backwards."""
    steps = input_of(node, 4)
    array = constant(steps)
    if steps is not None and (array is None or (array < 0).any()):
        return None
    return _same_shape(node)


def _pad(node: ir.Node) -> int | None:
    given = input_of(node, 1)
    if given is None:
        pads = ints_of(node, "pads") or ints_of(node, "paddings")
        return 0 if pads is not None and not any(pads) else None
    array = constant(given)
    return 0 if array is not None and not array.any() else None


def _transpose(node: ir.Node) -> int | None:
    order = ints_of(node, "perm")
    return 0 if order is not None and order == sorted(order) else None


def _only_one(node: ir.Node) -> int | None:
    return 0 if len(node.inputs) == 1 else None


def _neutral(number: float, *, either_side: bool) -> Callable[[ir.Node], int | None]:
    def rule(node: ir.Node) -> int | None:
        for place in (0, 1) if either_side else (0,):
            value, other = node.inputs[place], node.inputs[1 - place]
            array = constant(other)
            if array is None or value is None or value.shape is None:
                continue
            if array.dtype.kind not in "fiu" or not (array == number).all():
                continue
            shape = static_shape(value)
            fits = array.size == 1 and array.ndim <= len(value.shape)
            if fits or (shape is not None and np.broadcast_shapes(shape, array.shape) == shape):
                return place
        return None

    return rule


_RULES: dict[str, Callable[[ir.Node], int | None]] = {
    "Cast": _cast,
    "Reshape": _same_shape,
    "Flatten": _same_shape,
    "Squeeze": _same_shape,
    "Unsqueeze": _same_shape,
    "Expand": _same_shape,
    "Tile": _same_shape,
    "Slice": _slice,
    "Pad": _pad,
    "Transpose": _transpose,
    "Concat": _only_one,
    "Sum": _only_one,
    "Max": _only_one,
    "Min": _only_one,
    "Mean": _only_one,
    "Add": _neutral(0, either_side=True),
    "Sub": _neutral(0, either_side=False),
    "Mul": _neutral(1, either_side=True),
    "Div": _neutral(1, either_side=False),
    "Pow": _neutral(1, either_side=False),
}
