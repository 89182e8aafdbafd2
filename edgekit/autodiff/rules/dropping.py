"""Dropout, where it drops and where it does not."""

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.shapes import constant_input, operand, optional, shape_of


@vjp("Dropout")
def dropout(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """DY / (1 - ratio) where the mask kept a number, 0 elsewhere; in inference dY.

    Srivastava et al., 2014, JMLR 15:1929-1958.
    """
    training = constant_input(node, 2)
    if training is None or not np.any(training):
        return [dy]
    mask = build.forward_output(node, 1, shape=shape_of(operand(node, 0)), dtype=ir.DataType.BOOL)
    kept = build.mask(mask, like=dy)
    ratio = optional(node, 1)
    if ratio is None:
        return [build.op("Mul", dy, build.op("Mul", kept, 2.0))]
    if ratio.dtype != dy.dtype:
        ratio = build.op("Cast", ratio, to=dy.dtype, dtype=dy.dtype)
    share = build.op("Sub", build.constant(1.0, dtype=dy.dtype), ratio)
    return [build.op("Div", build.op("Mul", dy, kept), share)]
