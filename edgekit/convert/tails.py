"""Finds the nodes that a TFLite operator does on the side: a ReLU, a bias, a clip to the grid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgekit.convert.constants import Constants
from edgekit.convert.quantization import Grid, grid_of
from edgekit.convert.rule import Rule
from edgekit.graph.match import input_of, is_op, only_reader

_FUSED_CLIPS = {(0.0, np.inf): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}


@dataclass(frozen=True)
class Tail:
    """What follows a node and is done with it.

    Attributes:
        result: the value that the node and its tail give.
        nodes: the tail's.
        activation: TFLite's name of the fused activation.
        bias: what a MatMul's Add adds.
    """

    result: ir.Value
    nodes: tuple[ir.Node, ...] = ()
    activation: str = "NONE"
    bias: ir.Value | None = None


def tail_of(node: ir.Node, rules: Mapping[str, Rule], constants: Constants) -> Tail:
    """The tail of a node; nothing but the node where nothing can be fused."""
    tail = Tail(node.outputs[0])
    if not rules[node.op_type].fuses:
        return tail
    if is_op(node, "MatMul", "Gemm"):
        weights = node.inputs[1]
        if weights is None or weights not in constants or len(constants.shape(weights)) != 2:
            return tail
        if is_op(node, "MatMul"):
            tail = _with_bias(tail, constants.shape(weights)[1], constants)
    return _with_activation(tail, constants)


def grid_wanted(value: ir.Value) -> Grid | None:
    """The grid on which all that read a value want it, if they are QuantizeLinear nodes."""
    readers = {node for node, _ in value.uses()}
    if not readers or value.is_graph_output():
        return None
    if not all(is_op(node, "QuantizeLinear") for node in readers):
        return None
    grids = {grid_of(node) for node in readers}
    return grids.pop() if len(grids) == 1 else None


def clip_bounds(node: ir.Node, constants: Constants) -> tuple[float, float] | None:
    """The bounds of a Clip or Relu, infinite where it has none; `None` if they are not constant."""
    if is_op(node, "Relu"):
        return 0.0, np.inf
    bounds = [-np.inf, np.inf]
    for index in (1, 2):
        value = input_of(node, index)
        if value is not None:
            array = constants.array(value)
            if array is None:
                return None
            bounds[index - 1] = float(array.item())
    return bounds[0], bounds[1]


def _with_bias(tail: Tail, width: int, constants: Constants) -> Tail:
    add = only_reader(tail.result)
    if add is None or not is_op(add, "Add"):
        return tail
    other = add.inputs[1] if add.inputs[0] is tail.result else add.inputs[0]
    bias = constants.array(other)
    if bias is None or bias.size != width or bias.shape[-1:] != (bias.size,):
        return tail
    if tail.result.shape is None or bias.ndim > len(tail.result.shape):
        return tail
    return replace(tail, result=add.outputs[0], nodes=(add,), bias=other)


def _with_activation(tail: Tail, constants: Constants) -> Tail:
    node = only_reader(tail.result)
    if node is None or not is_op(node, "Relu", "Clip") or node.inputs[0] is not tail.result:
        return tail
    bounds = clip_bounds(node, constants)
    if bounds is None:
        return tail
    fused = replace(tail, result=node.outputs[0], nodes=(*tail.nodes, node))
    if bounds in _FUSED_CLIPS:
        return replace(fused, activation=_FUSED_CLIPS[bounds])
    grid = grid_wanted(node.outputs[0])
    if grid is not None and grid.nearest(bounds[0]) == -128 and grid.nearest(bounds[1]) == 127:
        return fused
    return tail
