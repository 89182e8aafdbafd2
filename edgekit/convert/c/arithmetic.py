"""Sums, products, means and functions of int8.

ADD and SUB are XNNPACK's fixed-point sums with 20 bits; MEAN is its float product and sum.
"""

import numpy as np

from edgekit.convert.c.lowering import QUANTIZE, Lowering, require_scales
from edgekit.convert.c.program import scale_bits
from edgekit.convert.c.reading import Operator, Tensor


def sum_(low: Lowering, op: Operator) -> None:
    """An ADD or SUB of two tensors, or of a tensor and a constant a channel."""
    a, b, period, turned = _operands(low, op)
    y = low.tensor(op.outputs[0])
    ratios = np.array([a.scale / y.scale, b.scale / y.scale], np.float32)
    require_scales(op, ratios, 2.0**-10)
    shift = 20 - (int(ratios.max().view(np.uint32) >> 23) - 127)
    by_a, by_b = (int(np.rint(ratio * np.float32(2.0**shift))) for ratio in ratios)
    if op.code == "SUB":
        by_a, by_b = (-by_a, by_b) if turned else (by_a, -by_b)
    bias = (1 << (shift - 1)) - by_a * a.zero_point - by_b * b.zero_point
    second = "{1}" if b.data is None else low.program.constant("addend", b.data, np.int8)
    numbers = f"{y.size}, {period}, {bias}, {by_a}, {by_b}, {shift}"
    low.add(op, "add", f"ek_add({{0}}, {second}, {{y}}, {numbers}, {low.grid(op)})")


def product(low: Lowering, op: Operator) -> None:
    """A MUL of two tensors, or of a tensor and a constant a channel."""
    a, b, period, _ = _operands(low, op)
    y = low.tensor(op.outputs[0])
    scale = np.array([(a.scale * b.scale) / y.scale], np.float32)
    require_scales(op, scale, 2.0**-16)
    second = "{1}" if b.data is None else low.program.constant("factor", b.data, np.int8)
    numbers = f"{y.size}, {period}, {a.zero_point}, {b.zero_point}, {scale_bits(scale)[0]}u"
    low.add(
        op, "multiply", f"ek_multiply({{0}}, {second}, {{y}}, {numbers}, {low.grid(op)})",
        macs=y.size,
    )  # fmt: skip


def _operands(low: Lowering, op: Operator) -> tuple[Tensor, Tensor, int, bool]:
    """The operands, a constant second; after how many it repeats; whether they were turned."""
    a, b = (low.tensor(index) for index in op.inputs[:2])
    turned = a.data is not None
    if turned:
        a, b = b, a
    y = low.tensor(op.outputs[0])
    trailing = b.shape[len(b.shape) - len(b.shape) :]
    while trailing and trailing[0] == 1:
        trailing = trailing[1:]
    fits = a.shape == y.shape and trailing == y.shape[len(y.shape) - len(trailing) :]
    if not (fits and a.is_int8 and b.is_int8):
        raise op.unsupported("of such shapes", "give both one shape, or a constant a channel")
    return a, b, b.size, turned


def mean(low: Lowering, op: Operator) -> None:
    """A MEAN over all places of each channel."""
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    axes_given = low.tensor(op.inputs[1]).data
    axes = (
        []
        if axes_given is None
        else sorted(int(axis) % len(x.shape) for axis in axes_given.ravel())
    )
    kept = [axis for axis, size in enumerate(x.shape) if axis not in axes and size > 1]
    reduced = [axis for axis in axes if x.shape[axis] > 1]
    if kept and reduced and kept[0] < reduced[-1]:
        raise op.unsupported("over such axes", "pool over time or over the picture's sides")
    channels = y.size
    places = x.size // channels
    share = (x.scale / y.scale) * (np.float32(1) / np.float32(places))
    offset = np.float32(y.zero_point) - np.float32(x.zero_point * places) * share
    numbers = low.program.constant("mean", [share, offset], np.float32)
    low.add(
        op,
        "mean",
        f"ek_mean({{0}}, {{y}}, {places}, {channels}, {numbers}[0], {numbers}[1], {low.grid(op)})",
    )


def lookup(low: Lowering, op: Operator) -> None:
    """A function of one number, as a table of LiteRT's own answers."""
    x, y = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    if not (x.is_int8 and y.is_int8):
        raise op.unsupported("from or to other than int8", QUANTIZE)
    answers = low.program.constant("answers", low.lookup(op), np.int8)
    low.add(op, "lookup", f"ek_lookup({{0}}, {{y}}, {x.size}, {answers})")
