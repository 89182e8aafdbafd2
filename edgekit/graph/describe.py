"""Counts what is in an ONNX graph: operators, parameters and multiply-accumulates."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from onnx import shape_inference

from edgekit.graph.shapes import proto_without_weights


@dataclass(frozen=True)
class Description:
    """What a graph is made of.

    Attributes:
        operators: how many nodes of each operator.
        parameters: how many numbers its initialisers hold.
        macs: multiply-accumulates of Conv, ConvTranspose, Gemm and MatMul nodes for one run;
            `None` where a shape is not known.
    """

    operators: dict[str, int]
    parameters: int
    macs: int | None


def describe(model: onnx.ModelProto) -> Description:
    """Counts. A dynamic axis counts as 1."""
    shapes = _shapes(model)
    macs: int | None = 0
    for node in model.graph.node:
        count = _macs(node, shapes)
        macs = None if count is None or macs is None else macs + count
    operators = Counter(node.op_type for node in model.graph.node)
    return Description(
        operators=dict(operators.most_common()),
        parameters=sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer),
        macs=macs,
    )


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    try:
        graph = shape_inference.infer_shapes(proto_without_weights(ir.from_proto(model))).graph
    except Exception:  # a model that cannot be inferred can still be described
        graph = model.graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in [*graph.input, *graph.value_info, *graph.output]:
        if value.type.tensor_type.HasField("shape") and value.name not in shapes:
            axes = value.type.tensor_type.shape.dim
            shapes[value.name] = tuple(axis.dim_value or 1 for axis in axes)
    return shapes


def _macs(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> int | None:
    if node.op_type in ("Conv", "QLinearConv", "ConvInteger"):
        weights = shapes.get(node.input[3 if node.op_type == "QLinearConv" else 1])
        output = shapes.get(node.output[0])
        return (
            None if weights is None or output is None else _product(output) * _product(weights[1:])
        )
    if node.op_type == "ConvTranspose":
        weights, tensor = shapes.get(node.input[1]), shapes.get(node.input[0])
        return (
            None if weights is None or tensor is None else _product(tensor) * _product(weights[1:])
        )
    if node.op_type in ("Gemm", "MatMul", "MatMulInteger"):
        left, output = shapes.get(node.input[0]), shapes.get(node.output[0])
        if not left or output is None:
            return None
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return _product(output) * (left[-2] if transposed else left[-1])
    if node.op_type in ("LSTM", "GRU", "RNN"):
        rows, weights, recurrence = (shapes.get(name) for name in node.input[:3])
        if rows is None or weights is None or recurrence is None:
            return None
        return _product(rows[:2]) * (_product(weights) + _product(recurrence))
    return 0


def _product(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))
