"""Activations that are linear in pieces."""

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp


@vjp("Relu")
def relu(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY where the output is above 0.

    The output is asked, not the input, so that an engine may still fuse the Relu into a Conv.
    """
    return [build.op("Mul", dy, build.mask(build.op("Greater", node.outputs[0], 0.0), like=dy))]
