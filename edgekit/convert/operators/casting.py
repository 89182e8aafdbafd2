"""Cast, QuantizeLinear and DequantizeLinear."""

from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgekit.convert import schema
from edgekit.convert.op import Op
from edgekit.convert.quantization import grid_of, scalars, stored_dtype
from edgekit.convert.writer import Tensor


def quantize(op: Op) -> None:
    """Writes what is read as int8, unless it is on the node's grid already.

    Integers of 16 bits are kept as floats, clamped to what the integers reach.
    """
    grid = grid_of(op.node)
    value = op.value(0)
    placed = op.lowering.placed(value)
    if grid is not None:
        tensor = op.lowering.conversions.quantized(placed.tensor, grid)
    else:
        tensor = _clamped(op, op.lowering.conversions.dequantized(placed.tensor, str(value.name)))
    op.lowering.place(op.node.outputs[0], replace(placed, tensor=tensor))


def dequantize(op: Op) -> None:
    """Writes nothing: integers on a grid stand for floats until something reads them as such."""
    placed = op.lowering.placed(op.value(0))
    scalars(op.node)
    if placed.tensor.grid is None and placed.tensor.dtype != np.float32:
        raise op.unsupported(f"of {placed.tensor.dtype} that no QuantizeLinear gave")
    op.lowering.place(op.node.outputs[0], placed)


def cast(op: Op) -> None:
    """Writes a CAST; what stands for floats is read as floats."""
    dtype = ir.DataType(op.integer("to", ir.DataType.FLOAT)).numpy()
    if dtype not in schema.DTYPES or dtype == np.float16:
        raise op.unsupported(f"to {dtype}")
    value, order = op.value(0), op.order(0)
    x = op.lowering.stored(value, order)
    if value.dtype == ir.DataType.FLOAT:
        x = op.lowering.conversions.dequantized(x, str(value.name))
    y = x
    if x.dtype != dtype:
        options = schema.options(
            "Cast",
            inDataType=schema.tensor_type(x.dtype),
            outDataType=schema.tensor_type(dtype),
        )
        y = op.emit("CAST", [x], x.shape, options, dtype=dtype)
    op.give(y, order)


def _clamped(op: Op, x: Tensor) -> Tensor:
    limits = np.iinfo(stored_dtype(op.node))
    if limits.bits < 16:
        raise op.unsupported(f"to {limits.bits} bits")
    scale, zero_point = scalars(op.node)
    for code, integer in (("MAXIMUM", limits.min), ("MINIMUM", limits.max)):
        bound = op.number((integer - zero_point) * scale)
        x = op.emit(code, [x, bound], x.shape, dtype=np.float32)
    return x
