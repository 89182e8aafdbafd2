"""Convolutions, of any rank, stride, padding, dilation and number of groups."""

import math

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp
from edgekit.autodiff.rules.window import Window
from edgekit.autodiff.shapes import int_of, operand, shape_of
from edgekit.graph.match import constant

_WIDE = 16
"""From so many channels on, a product for each position of the kernel is faster than one product
after the positions have been put side by side."""


@vjp("Conv")
def conv(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """d(W * x + b)."""
    x, weights = operand(node, 0), operand(node, 1)
    window = Window.of(node, shape_of(weights)[2:])
    group = int_of(node, "group", 1)
    dx = _by_input(x, weights, dy, window, group, build)
    dw = _by_weights(x, weights, dy, window, group, build)
    axes = [0, *range(2, 2 + len(window.size))]
    return dx, dw, build.sum(dy, axes, keepdims=False)


@vjp("ConvTranspose")
def conv_transpose(node: ir.Node, dy: ir.Value, build: Backward) -> Gradients:
    """The gradients of a Conv with the parts of input and output swapped."""
    x, weights = operand(node, 0), operand(node, 1)
    window = Window.of_transposed(node, shape_of(weights)[2:])
    group = int_of(node, "group", 1)
    dx = build.op(
        "Conv", window.reached(dy, build), weights, shape=shape_of(x), group=group, **window.plain()
    )
    dw = _by_weights(dy, weights, x, window, group, build)
    axes = [0, *range(2, 2 + len(window.size))]
    return dx, dw, build.sum(dy, axes, keepdims=False)


def _by_input(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, group: int, build: Backward
) -> ir.Value:
    """DY spread by the weights: a transposed convolution.

    Where windows move by one and the weights are constant, so that turning them costs nothing, it
    is a plain convolution instead: 3 to 7 % faster on SqueezeNet, 3.5 times if depthwise.
    """
    how = window.mirrored()
    if how is None or constant(weights) is None:
        how = window.transposed()
        return build.op("ConvTranspose", dy, weights, shape=shape_of(x), group=group, **how)
    turned = _turned(weights, group, build)
    return build.op("Conv", dy, turned, shape=shape_of(x), group=group, **how)


def _turned(weights: ir.Value, group: int, build: Backward) -> ir.Value:
    """Weights from outputs to inputs, `[C, K / group, *kernel]`, each kernel backwards."""
    out, depth, *kernel = shape_of(weights)
    if group < out or depth > 1:
        grouped = build.reshape(weights, (group, out // group, depth, math.prod(kernel)))
        swapped = build.transpose(grouped, [0, 2, 1, 3])
        weights = build.reshape(swapped, (group * depth, out // group, *kernel))
    axes = [axis for axis in range(2, 2 + len(kernel)) if kernel[axis - 2] > 1]
    return build.reverse(weights, axes)


def _by_weights(
    x: ir.Value, weights: ir.Value, dy: ir.Value, window: Window, group: int, build: Backward
) -> ir.Value:
    """The product of dY and the input under each position of the kernel, summed over the batch."""
    n = shape_of(x)[0]
    out, depth, *kernel = shape_of(weights)
    spots, positions = math.prod(window.count), math.prod(kernel)
    left = build.reshape(dy, (n, group, out // group, spots))
    right = [build.reshape(part, (n, group, depth, spots)) for part in window.slices(x, build)]
    if group > 1 and depth == 1:
        total = build.concat([_dot(left, part, build) for part in right], axis=2)
        return build.reshape(total, shape_of(weights))
    if depth < _WIDE:
        right = [build.concat(right, axis=2)]
    if group == 1 and (n == 1 or out * depth * positions > (out + depth * positions) * spots):
        left, right = _flat(left, build), [_flat(part, build) for part in right]
    products = [build.matmul(left, build.transpose_last(part)) for part in right]
    total = build.concat(products, axis=len(shape_of(left)) - 1)
    if len(shape_of(total)) == 4:
        total = build.sum(total, [0], keepdims=False)
    total = build.reshape(total, (out, positions, depth))
    return build.reshape(build.transpose_last(total), shape_of(weights))


def _dot(left: ir.Value, right: ir.Value, build: Backward) -> ir.Value:
    """`[N, G, K, S]` times `[N, G, 1, S]`, summed to `[G, K, 1]`: up to twice as fast as MatMul."""
    total = build.sum(build.op("Mul", left, right), [0, 3], keepdims=False)
    return build.reshape(total, (*shape_of(total), 1))


def _flat(value: ir.Value, build: Backward) -> ir.Value:
    """`[N, 1, C, S]` as the matrix `[C, N * S]`."""
    n, _, channels, spots = shape_of(value)
    if n > 1:
        value = build.transpose(value, [2, 1, 0, 3])
    return build.reshape(value, (channels, n * spots))
