"""Pools: a window's greatest or mean, and the same of a whole picture."""

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.layout import NEW
from edgekit.convert.op import Op
from edgekit.convert.operators.windows import (
    Window,
    padded,
    picture_order,
    schemed,
    strides,
    windows_of,
)
from edgekit.convert.quantization import Grid
from edgekit.convert.writer import Tensor
from edgekit.graph.match import is_op


def max_pool(op: Op) -> None:
    """Writes a MaxPool."""
    if any(value.uses() or value.is_graph_output() for value in op.node.outputs[1:]):
        raise op.unsupported("with Indices")
    windows = _windows(op)
    order = picture_order(op)
    x = op.read(0, order)
    padding, x = schemed(op, x, windows, _lowest(op, x))
    op.give(_pooled(op, "MAX_POOL_2D", x, windows, padding), order)


def average_can_be_integer(op: Op) -> bool:
    """Whether the mean needs no correction that int8 cannot carry."""
    windows = _windows(op)
    if (_correction(op, windows) == 1).all():
        return True
    keeps_grid = op.lowering.placed(op.value(0)).tensor.grid == op.grid
    return keeps_grid and _leaves_padding_out(op, windows)


def average_pool(op: Op) -> None:
    """Writes an AveragePool.

    TFLite leaves padding out of the mean, but only knows the paddings SAME and VALID. So other
    paddings are made explicit, and the mean is corrected where they do not count.
    """
    windows = _windows(op)
    order = picture_order(op)
    x = op.read(0, order)
    correction = _correction(op, windows)
    if (correction == 1).all():
        y = _mean(op, padded(op, x, windows), windows)
    elif _leaves_padding_out(op, windows):
        y = _pooled(op, "AVERAGE_POOL_2D", x, windows, schema.padding("SAME"))
    else:
        x = padded(op, x, windows)
        y = _pooled(op, "AVERAGE_POOL_2D", x, windows, schema.padding("VALID"))
        factor = op.fixed("counted", correction[np.newaxis, :, :, np.newaxis], np.float32)
        y = op.emit("MUL", [y, factor], y.shape, schema.unfused("Mul"))
    op.give(y, order)


def global_average_pool(op: Op) -> None:
    """Writes a GlobalAveragePool."""
    _whole(op, "MEAN")


def global_max_pool(op: Op) -> None:
    """Writes a GlobalMaxPool."""
    _whole(op, "REDUCE_MAX")


def _windows(op: Op) -> tuple[Window, Window]:
    kernel = op.ints("kernel_shape", [])
    height, width = windows_of(op, kernel)
    if height.dilation != 1 or width.dilation != 1:
        raise op.unsupported("with dilations")
    return height, width


def _correction(op: Op, windows: tuple[Window, Window]) -> Array:
    """What to multiply the mean of a zero-padded window with, by place: `[height, width]`."""
    counted = []
    for window in windows:
        seen = window.declared() if op.integer("count_include_pad", 0) else window.inside()
        counted.append(window.kernel / np.maximum(seen, 1))
    return np.outer(*counted)


def _leaves_padding_out(op: Op, windows: tuple[Window, Window]) -> bool:
    """Whether TFLite's SAME is what the node says."""
    return all(window.is_same for window in windows) and not op.integer("count_include_pad", 0)


def _lowest(op: Op, x: Tensor) -> Tensor | None:
    """What cannot be greatest in a window; `None` for zero, which XNNPACK pads faster with."""
    if x.grid is not None and x.dtype == np.int8:
        if x.grid.lowest == 0:
            return None
        return op.lowering.writer.constant("lowest", np.array([-128], np.int8), x.grid)
    if x.dtype != np.float32:
        raise op.unsupported(f"of {x.dtype}")
    if is_op(op.value(0).producer(), "Relu", "Sigmoid", "Softmax"):
        return None
    return op.fixed("lowest", [np.finfo(np.float32).min], np.float32)


def _mean(op: Op, x: Tensor, windows: tuple[Window, Window]) -> Tensor:
    """The mean of a window; in int8 a depthwise Conv with weights of one.

    That rounds as onnxruntime does, gives any grid, and is computed by XNNPACK.
    """
    if x.grid is None:
        return _pooled(op, "AVERAGE_POOL_2D", x, windows, schema.padding("VALID"))
    kernel = [window.kernel for window in windows]
    share = np.float32(1 / np.prod(kernel))
    ones = np.ones((1, *kernel, x.shape[3]), np.int8)
    writer = op.lowering.writer
    units = Grid((float(np.float32(x.grid.scale) * share),))
    zeros = writer.constant("no_bias", np.zeros(x.shape[3], np.int32), units)
    taps = writer.constant("mean", ones, Grid((float(share),), axis=3))
    options = schema.options(
        "DepthwiseConv2D",
        padding=schema.padding("VALID"),
        **strides(windows),
        dilationHFactor=1,
        dilationWFactor=1,
        fusedActivationFunction=schema.activation("NONE"),
        depthMultiplier=1,
    )
    shape = (x.shape[0], windows[0].out, windows[1].out, x.shape[3])
    return op.emit("DEPTHWISE_CONV_2D", [x, taps, zeros], shape, options)


def _pooled(op: Op, code: str, x: Tensor, windows: tuple[Window, Window], padding: int) -> Tensor:
    options = schema.options(
        "Pool2D",
        padding=padding,
        filterHeight=windows[0].kernel,
        filterWidth=windows[1].kernel,
        **strides(windows),
    )
    shape = (x.shape[0], windows[0].out, windows[1].out, x.shape[3])
    return op.emit(code, [x], shape, options)


def _whole(op: Op, code: str) -> None:
    order = op.order(0)
    x = op.read(0, order)
    axes = [place for place, axis in enumerate(order) if axis != NEW and axis >= 2]
    shape = [1 if place in axes else size for place, size in enumerate(x.shape)]
    options = schema.options("Reducer", keepDims=True)
    op.give(op.emit(code, [x, op.fixed("axes", axes)], shape, options), order)
