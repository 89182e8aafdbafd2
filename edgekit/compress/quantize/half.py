"""Stores the weights of a layer that stays in float in 16 bits."""

import numpy as np
import onnx_ir as ir

from edgekit.compress.layers import layer_named
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import insert_before, set_constant


def store_in_half(model: ir.Model, name: str) -> None:
    """Lets a layer read its weights through a Cast from float16, which is done once, at loading.

    Args:
        model: changed in place.
        name: of the layer.

    Raises:
        UnsupportedModel: there is no such layer, or a weight is beyond float16's range.
    """
    layer = layer_named(model, name)
    with np.errstate(over="ignore"):
        half = layer.weights.astype(np.float16)
    if not np.isfinite(half).all():
        raise UnsupportedModel(f"the weights of {name!r} are beyond float16; keep it in fp32")
    set_constant(model, layer.node, 1, half, dtype=np.float16)
    cast = ir.node("Cast", [layer.node.inputs[1]], {"to": ir.DataType.FLOAT})
    cast.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    insert_before(model, layer.node, 1, [cast])
