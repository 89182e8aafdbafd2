"""The gradient of a convolution's weights, in the form that is fastest for its shape.

It is a product of dY with the input under each position of the kernel, summed over the batch. What
differs is how much is copied first, and into how many products the work falls. Times are in
`tools/bench/gradients.py`.
"""

import math
from collections.abc import Sequence

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.rules.window import Window
from edgekit.autodiff.shapes import shape_of

_WIDE = 16
"""From so many channels on, a product for each position of the kernel is faster than one product
after the positions have been put side by side."""


def weight_gradient(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, group: int, build: Backward
) -> ir.Value:
    """The gradient of `weights`, `[K, C / group, *kernel]`.

    Args:
        x: what the windows lie on, `[N, C, *size]`.
        weights: read for their shape only.
        dy: the gradient of what comes out, `[N, K, *count]`.
        window: where the windows lie.
        group: the number of groups of channels.
        build: takes the nodes.
    """
    out, depth, *kernel = shape_of(weights)
    if group == out and depth == 1:
        return _depthwise(x, weights, dy, window, build)
    copies = math.prod(kernel) * depth * (2 if depth < _WIDE else 1)
    if group == 1 and window.is_dense_plane and 2 * kernel[0] * out + kernel[1] * depth <= copies:
        return _by_moved_gradient(x, weights, dy, window, build)
    return _by_moved_input(x, weights, dy, window, group, build)


def _depthwise(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, build: Backward
) -> ir.Value:
    """Each channel by itself: a product and a sum are up to twice as fast as MatMul."""
    axes = [0, *range(2, 2 + len(window.size))]
    totals = [
        build.sum(build.op("Mul", dy, part), axes, keepdims=False)
        for part in window.slices(x, build)
    ]
    columns = [build.reshape(total, (*shape_of(total), 1)) for total in totals]
    return build.reshape(build.concat(columns, 1), shape_of(weights))


def _by_moved_input(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, group: int, build: Backward
) -> ir.Value:
    """With a copy of the input for each position of the kernel."""
    n = shape_of(x)[0]
    out, depth, *kernel = shape_of(weights)
    spots, positions = math.prod(window.count), math.prod(kernel)
    left = build.reshape(dy, (n, group, out // group, spots))
    right = [build.reshape(part, (n, group, depth, spots)) for part in window.slices(x, build)]
    if depth < _WIDE:
        right = [build.concat(right, axis=2)]
    if group == 1 and (n == 1 or out * depth * positions > (out + depth * positions) * spots):
        left, right = _flat(left, build), [_flat(part, build) for part in right]
    return _products(left, right, weights, build)


def _by_moved_gradient(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, build: Backward
) -> ir.Value:
    """With copies of the input for the kernel's columns, and of dY for its rows.

    They are rows + columns copies instead of rows * columns, but some are of dY.
    """
    n = shape_of(x)[0]
    out, depth, rows, _ = shape_of(weights)
    columns = window.columns(x, build)
    height, width = shape_of(columns[0])[2:]
    free = height - window.count[0]
    moved = []
    for row in range(rows):
        above = row * window.dilation[0]
        part = build.pad(dy, [0, 0, above, 0], [0, 0, free - above, 0])
        moved.append(build.reshape(part, (n, out, 1, height * width)))
    left = build.reshape(build.concat(moved, 2), (n, out * rows, height * width))
    right = [build.reshape(part, (n, depth, height * width)) for part in columns]
    if depth < _WIDE:
        right = [build.concat(right, 1)]
    return _products(left, right, weights, build)


def _products(
    left: ir.Value, right: Sequence[ir.Value], weights: ir.Value, build: Backward
) -> ir.Value:
    """The products of `left` and each of `right`, summed over the batch if need be, as weights.

    The sums come before the products are put side by side, as they are smaller.
    """
    out, depth, *kernel = shape_of(weights)
    totals = []
    for part in right:
        total = build.matmul(left, build.transpose_last(part))
        if len(shape_of(total)) > 2:
            total = build.sum(total, [0], keepdims=False)
        *rows, columns = shape_of(total)
        totals.append(build.reshape(total, (math.prod(rows), columns)))
    total = build.reshape(build.concat(totals, 1), (out, math.prod(kernel), depth))
    return build.reshape(build.transpose_last(total), shape_of(weights))


def _flat(value: ir.Value, build: Backward) -> ir.Value:
    """`[N, 1, C, S]` as the matrix `[C, N * S]`."""
    n, _, channels, spots = shape_of(value)
    if n > 1:
        value = build.transpose(value, [2, 1, 0, 3])
    return build.reshape(value, (channels, n * spots))
