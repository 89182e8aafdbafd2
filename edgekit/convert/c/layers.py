"""Dense layers and convolutions of int8."""

import numpy as np

from edgekit.convert.c.lowering import Lowering, window
from edgekit.convert.c.program import scale_bits
from edgekit.convert.c.reading import Operator


def dense(low: Lowering, op: Operator) -> None:
    """A FULLY_CONNECTED: one row or several."""
    x = low.tensor(op.inputs[0])
    rows, arguments = low.layer(op)
    count = x.size // rows.shape[1]
    macs = count * rows.size
    if count == 1:
        low.add(op, "dense", f"ek_dense({{0}}, {{y}}, {arguments})", macs=macs)
    else:
        low.add(op, "rows", f"ek_dense_rows({{0}}, {{y}}, {count}, {arguments})", macs=macs)


def convolve(low: Lowering, op: Operator) -> None:
    """A CONV_2D of one group; along time, it is one of height 1."""
    x, w, y = (low.tensor(index) for index in (op.inputs[0], op.inputs[1], op.outputs[0]))
    if w.shape[3] != x.shape[3]:
        raise op.unsupported("in groups", "use depthwise layers, or one group")
    rows, arguments = low.layer(op)
    numbers, has_edges = window(op, x, y, w.shape[1:3])
    patch = rows.shape[1] if has_edges else 0
    low.add(
        op,
        "convolve",
        f"ek_convolve({{0}}, {{y}}, {{patch}}, {low.program.window(numbers)}, {arguments})",
        patch=patch,
        macs=y.size * rows.shape[1],
    )


def depthwise(low: Lowering, op: Operator) -> None:
    """A DEPTHWISE_CONV_2D."""
    x, w, y = (low.tensor(index) for index in (op.inputs[0], op.inputs[1], op.outputs[0]))
    rows, bias, scales = low.weights(op)
    numbers, _ = window(op, x, y, w.shape[1:3])
    arguments = [
        low.program.window(numbers),
        str(w.shape[3] // x.shape[3]),
        low.program.constant("weights", rows.T, np.int8),
        low.program.constant("bias", bias, np.int32),
        low.program.constant("scale", scale_bits(scales), np.uint32),
        str(int(len(scales) > 1)),
        low.grid(op),
    ]
    low.add(
        op,
        "depthwise",
        f"ek_depthwise({{0}}, {{y}}, {', '.join(arguments)})",
        macs=y.size * rows.shape[1],
    )
