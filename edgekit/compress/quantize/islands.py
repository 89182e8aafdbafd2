"""Lets layers that are to stay in float stay so in onnxruntime."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.edit import add_initializer, insert_before
from edgekit.graph.match import constant, is_op


def shield_float_layers(model: ir.Model) -> None:
    """Puts a Clip that changes nothing between integers and each layer that has float weights.

    onnxruntime since 1.21 gives the float weights of a Conv, ConvTranspose or Gemm 8 bits and one
    scale where the layer reads a DequantizeLinear. It does not look behind a Clip.

    Args:
        model: changed in place.
    """
    for node in list(model.graph):
        if is_op(node, "Conv", "ConvTranspose", "Gemm") and not _is_dequantized(node.inputs[1]):
            source = node.inputs[0].producer() if node.inputs[0] is not None else None
            if source is not None and is_op(source, "DequantizeLinear"):
                lowest = add_initializer(model, f"{node.name}_lowest", _lowest(source))
                insert_before(model, node, 0, [ir.node("Clip", [node.inputs[0], lowest])])


def _is_dequantized(value: ir.Value | None) -> bool:
    return value is not None and is_op(value.producer(), "DequantizeLinear")


def _lowest(dequantize: ir.Node) -> Array:
    """The least number that a uint8 can stand for."""
    scale, zero_point = constant(dequantize.inputs[1]), constant(dequantize.inputs[2])
    assert scale is not None
    assert zero_point is not None
    return np.array(-scale * zero_point.astype(np.float32))
