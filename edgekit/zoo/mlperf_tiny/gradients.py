"""What the operators of small nets compute, and the gradients of it, in NumPy.

Pictures are `[N, height, width, channels]` here, whatever the graph says: sums over channels then
run over neighbours in memory. A rule takes a node and its operands and gives the result and a
function from the result's gradient to each operand's.
"""

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view

from edgekit.array import Array
from edgekit.graph.match import ints_of

Backward = Callable[[Array], tuple[Array | None, ...]]
Rule = Callable[..., tuple[Array, Backward]]


def conv(node: ir.Node, x: Array, weight: Array) -> tuple[Array, Backward]:
    """A Conv without a bias, with one group or with as many as channels."""
    if weight.shape[1] != x.shape[-1]:
        return _depthwise(node, x, weight)
    kernel, window = weight.shape[2:], _Window(node, x)
    columns = _columns(window.padded, kernel, window.stride)
    matrix = weight.transpose(2, 3, 1, 0).reshape(-1, len(weight))

    def backward(dy: Array) -> tuple[Array, Array]:
        flat = columns.reshape(-1, columns.shape[-1])
        d_matrix = (flat.T @ dy.reshape(-1, len(weight))).reshape(*kernel, -1, len(weight))
        # The input's gradient is a Conv of the output's, turned about, with zeros in its steps.
        turned = weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1).reshape(-1, x.shape[-1])
        d_x = _columns(window.spread(dy, kernel), kernel, 1) @ turned
        return d_x, d_matrix.transpose(3, 2, 0, 1)

    return columns @ matrix, backward


def batch_norm(
    node: ir.Node, x: Array, scale: Array, shift: Array, _mean: Array, _variance: Array
) -> tuple[Array, Backward]:
    """A BatchNormalization with the batch's own statistics: Ioffe and Szegedy, 2015."""
    axes = tuple(range(x.ndim - 1))
    count = x.size // x.shape[-1]
    centred = x - x.mean(axis=axes)
    deviation = np.sqrt(np.square(centred).mean(axis=axes) + node.attributes["epsilon"].as_float())
    normal = centred / deviation

    def backward(dy: Array) -> tuple[Array | None, ...]:
        d_shift = dy.sum(axis=axes)
        d_scale = (dy * normal).sum(axis=axes)
        d_x = (dy - (d_shift + normal * d_scale) / count) * (scale / deviation)
        return d_x, d_scale, d_shift, None, None

    return normal * scale + shift, backward


def relu(_node: ir.Node, x: Array) -> tuple[Array, Backward]:
    """max(x, 0)."""
    y = np.maximum(x, 0)
    return y, lambda dy: (dy * (y > 0),)


def add(_node: ir.Node, a: Array, b: Array) -> tuple[Array, Backward]:
    """The sum of two of a shape."""
    return a + b, lambda dy: (dy, dy)


def average_pool(_node: ir.Node, x: Array) -> tuple[Array, Backward]:
    """The mean over the whole picture."""

    def backward(dy: Array) -> tuple[Array]:
        return (np.broadcast_to(dy / (x.shape[1] * x.shape[2]), x.shape),)

    return x.mean(axis=(1, 2), keepdims=True), backward


def flatten(_node: ir.Node, x: Array) -> tuple[Array, Backward]:
    """What is already one number a channel, as a row."""
    return x.reshape(len(x), -1), lambda dy: (dy.reshape(x.shape),)


def gemm(
    _node: ir.Node, x: Array, weight: Array, bias: Array | None = None
) -> tuple[Array, Backward]:
    """The product, and the bias."""

    def backward(dy: Array) -> tuple[Array | None, ...]:
        return dy @ weight.T, x.T @ dy, *([] if bias is None else [dy.sum(axis=0)])

    y = x @ weight
    return (y if bias is None else y + bias), backward


RULES: dict[str, Rule] = {
    "Add": add,
    "AveragePool": average_pool,
    "BatchNormalization": batch_norm,
    "Conv": conv,
    "Flatten": flatten,
    "Gemm": gemm,
    "Relu": relu,
}


def _depthwise(node: ir.Node, x: Array, weight: Array) -> tuple[Array, Backward]:
    (high, wide), window = weight.shape[2:], _Window(node, x)
    shape = [
        (axis - size) // window.stride + 1
        for axis, size in zip(window.padded.shape[1:3], (high, wide), strict=True)
    ]
    y = np.zeros((len(x), *shape, x.shape[-1]), x.dtype)
    places = [(i, j) for i in range(high) for j in range(wide)]
    for i, j in places:
        y += window.padded[window.at(i, j, y)] * weight[:, 0, i, j]

    def backward(dy: Array) -> tuple[Array, Array]:
        d_padded, d_weight = np.zeros_like(window.padded), np.empty_like(weight)
        for i, j in places:
            here = window.at(i, j, dy)
            d_padded[here] += dy * weight[:, 0, i, j]
            d_weight[:, 0, i, j] = np.einsum("nhwc,nhwc->c", window.padded[here], dy)
        return d_padded[window.inside], d_weight

    return y, backward


def _columns(padded: Array, kernel: Sequence[int], stride: int) -> Array:
    """What each place of a kernel's output sees: `[N, H, W, kernel height * width * channels]`."""
    taps = sliding_window_view(padded, tuple(kernel), axis=(1, 2))
    taps = taps[:, ::stride, ::stride].transpose(0, 1, 2, 4, 5, 3)
    return taps.reshape(*taps.shape[:3], -1)


class _Window:
    """Where the taps of a Conv's kernel lie in its padded input `[N, H, W, C]`."""

    def __init__(self, node: ir.Node, x: Array) -> None:
        top, left, bottom, right = ints_of(node, "pads") or [0, 0, 0, 0]
        self.stride = (ints_of(node, "strides") or [1, 1])[0]
        self.padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
        self.inside = np.s_[:, top : top + x.shape[1], left : left + x.shape[2]]
        self._start = (top, left)

    def at(self, i: int, j: int, y: Array) -> tuple[slice, ...]:
        """What the tap at (i, j) sees of the input, one pixel for each of the output `y`."""
        _, high, wide, _ = y.shape
        step = self.stride
        return np.s_[:, i : i + (high - 1) * step + 1 : step, j : j + (wide - 1) * step + 1 : step]

    def spread(self, dy: Array, kernel: Sequence[int]) -> Array:
        """The output's gradient as a Conv of stride 1 reads it to give the input's."""
        _, high, wide, _ = self.padded[self.inside].shape
        first = [size - 1 - start for size, start in zip(kernel, self._start, strict=True)]
        spread = np.zeros(
            (len(dy), high + kernel[0] - 1, wide + kernel[1] - 1, dy.shape[-1]), dy.dtype
        )
        spread[self.at(first[0], first[1], dy)] = dy
        return spread
