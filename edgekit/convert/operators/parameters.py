"""Weights and biases of linear operators: floats, or integers on the grids TFLite wants."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.convert.op import Op
from edgekit.convert.quantization import Grid
from edgekit.convert.writer import Tensor


def has_integer_weights(op: Op, axis: int) -> bool:
    """Whether input 1 is int8 around zero, with a scale for the tensor or each entry of `axis`."""
    return _integer_weights(op, axis) is not None


def weights_of(op: Op, axis: int) -> tuple[Array, Grid | None]:
    """Input 1 as it is stored: int8 with its grid, as `has_integer_weights` says, or float32.

    Raises:
        UnsupportedModel: it is not constant.
    """
    found = _integer_weights(op, axis)
    return (op.constant(1, "weights").astype(np.float32), None) if found is None else found


def bias_of(
    op: Op,
    value: ir.Value | None,
    x: Tensor,
    grid: Grid | None,
    count: int,
    *,
    factor: float = 1.0,
    part: slice = slice(None),
) -> Tensor:
    """A bias of `count` numbers: float32, or int32 in units of the products of `x` and weights.

    Args:
        op: the node being written.
        value: the constant to add, `None` for zeros; one number goes to all outputs.
        x: what the weights multiply.
        grid: of the weights.
        count: how many outputs there are.
        factor: multiplies the bias.
        part: which outputs to take.

    Raises:
        UnsupportedModel: the bias is not constant.
    """
    name = "no_bias" if value is None else str(value.name)
    floats = np.zeros(1, np.float32)
    if value is not None:
        found = op.lowering.constants.array(value)
        if found is None:
            raise op.unsupported("with biases that are not constant")
        floats = found.astype(np.float32).ravel() * np.float32(factor)
    floats = np.broadcast_to(floats, count)[part]
    if grid is None or x.grid is None:
        return op.lowering.writer.constant(name, floats)
    units = np.float32(x.grid.scale) * np.array(grid.scales, np.float32)
    integers = np.rint(floats.astype(np.float64) / units)
    stored = op.lowering.constants.quantized(value)
    if stored is not None and stored.integers.dtype == np.int32 and factor == 1:
        scale = stored.scale.astype(np.float32).ravel()
        if scale.size in (1, units.size) and np.allclose(scale, units, rtol=1e-6, atol=0):
            integers = stored.integers.ravel()[part]
    limits = np.iinfo(np.int32)
    clipped = np.clip(integers, limits.min, limits.max).astype(np.int32)
    return op.lowering.writer.constant(name, clipped, Grid(tuple(units.tolist())))


def _integer_weights(op: Op, axis: int) -> tuple[Array, Grid] | None:
    constant = op.lowering.constants.quantized(op.input(1))
    found = None if constant is None else constant.symmetric(axis)
    return found if found is not None and min(found[1].scales) > 0 else None
