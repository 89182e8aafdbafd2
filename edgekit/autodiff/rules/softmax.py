"""Softmax and its logarithm."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import shape_of
from edgekit.graph.match import int_of


@vjp("Softmax")
def softmax(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """Y * (dY - sum(y * dY))."""
    y = node.outputs[0]
    mean = build.sum(build.op("Mul", y, dy), [_axis(node)])
    return [build.op("Mul", y, build.op("Sub", dy, mean))]


@vjp("LogSoftmax")
def log_softmax(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY - softmax * sum(dY)."""
    probability = build.op("Exp", node.outputs[0])
    total = build.sum(dy, [_axis(node)])
    return [build.op("Sub", dy, build.op("Mul", probability, total))]


def _axis(node: ir.Node) -> int:
    return int_of(node, "axis", -1) % len(shape_of(node.outputs[0]))
