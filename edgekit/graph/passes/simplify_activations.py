"""Writes activations as the simplest operator that computes them."""

import numpy as np
import onnx_ir as ir

from edgekit.graph.edit import become
from edgekit.graph.match import constant, float_of, input_of, is_op
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.passes.remove_identity import skip


class SimplifyActivations(GraphPass):
    """Turns what is a Relu into one, and two clippings in a row into one.

    Clip from 0 without an upper bound, Max(x, 0), LeakyRelu of slope 0 and PRelu of slopes 0 become
    Relu; PRelu of one slope becomes LeakyRelu; a Relu that reads a Relu or a Clip from 0 goes; and
    a Clip from 0 or above reads what a Relu in front of it reads. Leaves alone bounds and slopes
    that are not constant, and integers.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Simplifies one activation."""
        value = node.inputs[0] if node.inputs else None
        if value is None:
            return False
        if is_op(node, "Relu"):
            return _gives_no_negatives(value.producer()) and skip(node, value)
        if is_op(node, "Clip"):
            return _simplify_clip(node, value)
        if is_op(node, "Max"):
            return _simplify_max(node)
        if is_op(node, "LeakyRelu"):
            return float_of(node, "alpha", 0.01) == 0 and _become_relu(node, value)
        return is_op(node, "PRelu") and _simplify_prelu(node, value)


def _simplify_clip(node: ir.Node, value: ir.Value) -> bool:
    lowest, highest = _bounds(node)
    if lowest is None or lowest < 0:
        return False
    if lowest == 0 and highest == np.inf:
        return _become_relu(node, value)
    relu = value.producer()
    if relu is None or not is_op(relu, "Relu"):
        return False
    node.replace_input_with(0, relu.inputs[0])
    return True


def _simplify_max(node: ir.Node) -> bool:
    if len(node.inputs) != 2:
        return False
    for value, other in (node.inputs, node.inputs[::-1]):
        zero = constant(other)
        if value is None or zero is None or zero.dtype.kind != "f":
            continue
        rank = 0 if value.shape is None else len(value.shape)
        if zero.size == 1 and zero.ndim <= rank and not zero.any():
            return _become_relu(node, value)
    return False


def _simplify_prelu(node: ir.Node, value: ir.Value) -> bool:
    slopes = constant(node.inputs[1])
    if slopes is None or slopes.dtype.kind != "f" or not slopes.size:
        return False
    slope = float(slopes.flat[0])
    if not (slopes == slope).all():
        return False
    if slope == 0:
        return _become_relu(node, value)
    become(node, "LeakyRelu", [value], {"alpha": slope})
    return True


def _bounds(node: ir.Node) -> tuple[float | None, float | None]:
    """`(lowest, highest)` of a Clip of floats, `None` where one is not constant or an integer."""
    bounds: list[float | None] = []
    for index, name, default in ((1, "min", -np.inf), (2, "max", np.inf)):
        given = input_of(node, index)
        if given is None:
            bounds.append(float_of(node, name, default))
            continue
        number = constant(given)
        usable = number is not None and number.dtype.kind == "f" and number.size == 1
        bounds.append(float(number.item()) if number is not None and usable else None)
    return bounds[0], bounds[1]


def _gives_no_negatives(node: ir.Node | None) -> bool:
    if node is None:
        return False
    if is_op(node, "Relu", "Sigmoid", "Softmax"):
        return True
    lowest = _bounds(node)[0] if is_op(node, "Clip") else None
    return lowest is not None and lowest >= 0


def _become_relu(node: ir.Node, value: ir.Value) -> bool:
    become(node, "Relu", [value])
    return True
