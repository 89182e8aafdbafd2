"""Brings an ONNX graph into the form that the TFLite writer starts from."""

import onnx_ir as ir
from onnx_ir.passes.common import RemoveInitializersFromInputsPass

from edgekit.convert.ceiling import remove_ceil_mode
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import static_shape
from edgekit.graph.passes.fold_constants import FoldConstants
from edgekit.graph.shapes import infer_shapes

_SOFTMAX_OVER_ONE_AXIS = 13
_DTYPES = {
    ir.DataType.FLOAT,
    ir.DataType.UINT8,
    ir.DataType.INT8,
    ir.DataType.INT32,
    ir.DataType.INT64,
    ir.DataType.BOOL,
}


def prepared(model: ir.Model) -> ir.Model:
    """A copy of a model with every shape inferred, every node named, and constants folded.

    Args:
        model: is left as it is.

    Raises:
        UnsupportedModel: the model is invalid, or of an old opset.
    """
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset < _SOFTMAX_OVER_ONE_AXIS:
        raise UnsupportedModel(
            f"has opset {opset}; TFLite export reads {_SOFTMAX_OVER_ONE_AXIS} and later: "
            "raise it with edgekit.graph.load.canonical"
        )
    copy = model.clone()
    RemoveInitializersFromInputsPass()(copy)
    for node in copy.graph:
        for value in node.outputs:
            if not value.is_graph_output():
                value.shape = None  # what a rewrite left there may no longer hold
    infer_shapes(copy)
    if FoldConstants()(copy).modified:
        infer_shapes(copy)
    remove_ceil_mode(copy)
    for number, node in enumerate(copy.graph):
        node.name = node.name or f"{node.op_type}_{number}"
    return copy


def require_fixed(value: ir.Value) -> None:
    """Refuses an input or output of unknown size, or of a dtype that TFLite has not.

    Raises:
        UnsupportedModel: names the value.
    """
    if static_shape(value) is None:
        raise UnsupportedModel(
            f"{value.name!r} has dynamic axes {list(value.shape or ())}; TFLite export needs a "
            "fixed shape"
        )
    if value.dtype not in _DTYPES:
        raise UnsupportedModel(f"{value.name!r} is {value.dtype}, which TFLite export cannot give")
