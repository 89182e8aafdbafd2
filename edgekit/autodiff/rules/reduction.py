"""Sums, means, extremes and norms over axes."""

import math

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import axes_of, operand, positive, shape_of
from edgekit.graph.match import int_of


@vjp("ReduceSum")
def reduce_sum(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY repeated along the axes that were summed."""
    return [build.expand(_kept(node, dy, build), shape_of(operand(node, 0)))]


@vjp("ReduceMean")
def reduce_mean(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / n repeated along the axes that were averaged."""
    shape = shape_of(operand(node, 0))
    n = math.prod(shape[axis] for axis in _reduced(node))
    return [build.expand(build.op("Mul", _kept(node, dy, build), 1 / n), shape)]


@vjp("ReduceMax", "ReduceMin")
def reduce_extremum(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY to where the extreme number was, in equal shares to several."""
    x = operand(node, 0)
    axes = sorted(_reduced(node))
    y = _kept(node, node.outputs[0], build)
    chosen = build.mask(build.op("Equal", x, y), like=dy)
    share = build.op("Div", _kept(node, dy, build), build.sum(chosen, axes)) if axes else dy
    return [build.op("Mul", chosen, share)]


@vjp("ReduceL2")
def reduce_l2(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY * x / y, and 0 where the norm is 0."""
    y = _kept(node, node.outputs[0], build)
    nonzero = build.op("Add", y, build.mask(build.op("Equal", y, 0.0), like=y))
    share = build.op("Div", _kept(node, dy, build), nonzero)
    return [build.op("Mul", operand(node, 0), share)]


def _kept(node: ir.Node, dy: ir.Value, build: Backward) -> ir.Value:
    """A value of the output's shape with the reduced axes as axes of 1."""
    shape, reduced = shape_of(operand(node, 0)), _reduced(node)
    return build.reshape(dy, [1 if axis in reduced else size for axis, size in enumerate(shape)])


def _reduced(node: ir.Node) -> list[int]:
    rank = len(shape_of(operand(node, 0)))
    axes = axes_of(node)
    if axes is None:
        return [] if int_of(node, "noop_with_empty_axes", 0) else list(range(rank))
    return positive(axes, rank)
