"""Brings an ONNX graph into the form that the TFLite writer starts from."""

import numpy as np
import onnx_ir as ir
from onnx import shape_inference

from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op

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
    """A copy of a model with every shape inferred, every node named, and no Shape node.

    Args:
        model: is left as it is.

    Raises:
        UnsupportedModel: an axis of an input or output is dynamic, its dtype is one that TFLite
            lacks, or the model is invalid or of an old opset.
    """
    opset = model.opset_imports.get("", model.opset_imports.get("ai.onnx", 0))
    if opset < _SOFTMAX_OVER_ONE_AXIS:
        raise UnsupportedModel(
            f"has opset {opset}; TFLite export reads {_SOFTMAX_OVER_ONE_AXIS} and later: "
            "raise it with edgekit.graph.load.canonical"
        )
    copy = _inferred(model)
    if _replace_shape_nodes(copy):
        copy = _inferred(copy)
    for number, node in enumerate(copy.graph):
        node.name = node.name or f"{node.op_type}_{number}"
    for value in [*copy.graph.inputs, *copy.graph.outputs]:
        _require_fixed(value)
    return copy


def _inferred(model: ir.Model) -> ir.Model:
    proto = ir.to_proto(model)
    known = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in known]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    try:
        return ir.from_proto(shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True))
    except Exception as error:  # onnx raises whatever the model makes it trip over
        text = " ".join(str(error).split())[:300] or type(error).__name__
        raise UnsupportedModel(f"its shapes cannot be inferred: {text}") from error


def _replace_shape_nodes(model: ir.Model) -> bool:
    """Puts what a Shape node gives in its place; says whether there was one."""
    found = False
    for node in list(model.graph):
        shape = None if node.inputs == () or node.inputs[0] is None else node.inputs[0].shape
        if not is_op(node, "Shape") or shape is None:
            continue
        axes = shape[
            node.attributes.get_int("start", 0) : node.attributes.get_int("end", len(shape))
        ]
        if not all(isinstance(axis, int) for axis in axes):
            continue
        numbers = np.array([int(axis) for axis in axes if isinstance(axis, int)], np.int64)
        constant = ir.node("Constant", [], {"value": ir.tensor(numbers)})
        ir.convenience.replace_nodes_and_values(
            model.graph, node, [node], [constant], node.outputs, constant.outputs
        )
        found = True
    return found


def _require_fixed(value: ir.Value) -> None:
    if value.shape is None or not all(isinstance(axis, int) for axis in value.shape):
        raise UnsupportedModel(
            f"{value.name!r} has dynamic axes {list(value.shape or ())}; TFLite export needs a "
            "fixed shape"
        )
    if value.dtype not in _DTYPES:
        raise UnsupportedModel(f"{value.name!r} is {value.dtype}, which TFLite export cannot give")
