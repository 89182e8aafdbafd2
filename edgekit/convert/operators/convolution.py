"""Conv: CONV_2D, or DEPTHWISE_CONV_2D where each channel is on its own."""

from dataclasses import replace

from edgekit.convert import schema
from edgekit.convert.op import Op
from edgekit.convert.operators.parameters import bias_of, has_integer_weights, weights_of
from edgekit.convert.operators.windows import (
    dilations,
    picture_order,
    schemed,
    strides,
    windows_of,
)
from edgekit.convert.versions import GROUPED_CONV

_OUTPUT_AXIS = 0


def can_be_integer(op: Op) -> bool:
    """Whether the weights are int8 as TFLite wants them, and the bias is constant."""
    return has_integer_weights(op, _OUTPUT_AXIS) and (op.input(2) is None or op.is_constant(2))


def conv(op: Op) -> None:
    """Writes a Conv of a picture, or of a signal as a picture of height 1."""
    order = picture_order(op)
    weights, grid = weights_of(op, _OUTPUT_AXIS)
    windows = windows_of(op, weights.shape[2:])
    if weights.ndim == 3:
        weights = weights[:, :, None]
    padding, x = schemed(op, op.read(0, order), windows)
    bias = bias_of(op, op.input(2), x, grid, len(weights))
    shape = (x.shape[0], windows[0].out, windows[1].out, len(weights))
    how = {"padding": padding, **strides(windows), **dilations(windows), **op.fused}
    group = op.integer("group", 1)
    if group > 1 and weights.shape[1] == 1:
        grid = None if grid is None else replace(grid, axis=3)
        kernel = op.weights(1, weights.transpose(1, 2, 3, 0), grid)
        options = schema.options("DepthwiseConv2D", depthMultiplier=len(weights) // group, **how)
        y = op.emit("DEPTHWISE_CONV_2D", [x, kernel, bias], shape, options)
    else:
        kernel = op.weights(1, weights.transpose(0, 2, 3, 1), grid)
        options = schema.options("Conv2D", **how)
        version = GROUPED_CONV if group > 1 else None
        y = op.emit("CONV_2D", [x, kernel, bias], shape, options, version=version)
    op.give(y, order)
