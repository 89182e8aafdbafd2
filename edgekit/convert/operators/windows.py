"""Sliding windows: what of ONNX's paddings TFLite's two schemes can say, and a PAD for the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.convert import schema
from edgekit.convert.layout import CHANNELS_LAST, Order
from edgekit.convert.op import Op
from edgekit.convert.writer import Tensor


@dataclass(frozen=True)
class Window:
    """How a window slides along one axis.

    Attributes:
        size: entries of the input.
        out: places the window takes.
        kernel: entries it sees.
        stride: between places.
        dilation: between the entries it sees.
        begin: padding in front.
        declared_end: padding behind, as the node says.
    """

    size: int
    out: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    begin: int = 0
    declared_end: int = 0

    @property
    def reach(self) -> int:
        """From the first entry the window sees to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def end(self) -> int:
        """Padding behind that the last place needs; negative where it leaves entries out."""
        return (self.out - 1) * self.stride + self.reach - self.size - self.begin

    @property
    def is_valid(self) -> bool:
        """Whether TFLite's VALID takes the same places."""
        return self.begin == 0 and self.end <= 0

    @property
    def is_same(self) -> bool:
        """Whether TFLite's SAME takes the same places."""
        total = max((self.out - 1) * self.stride + self.reach - self.size, 0)
        return self.out == -(-self.size // self.stride) and self.begin == total // 2

    def inside(self) -> list[int]:
        """How many entries of the input the window sees, by place."""
        return self._seen(0, self.size)

    def declared(self) -> list[int]:
        """How many entries of the input and its declared padding the window sees, by place."""
        return self._seen(-self.begin, self.size + self.declared_end)

    def _seen(self, low: int, high: int) -> list[int]:
        starts = np.arange(self.out) * self.stride - self.begin
        entries = starts[:, np.newaxis] + np.arange(self.kernel) * self.dilation
        seen: list[int] = ((entries >= low) & (entries < high)).sum(1).tolist()
        return seen


def picture_order(op: Op) -> Order:
    """The order a window slides in: height, width, channels last.

    Raises:
        UnsupportedModel: the input is neither a picture nor a signal.
    """
    rank = len(op.shape(0))
    if rank not in CHANNELS_LAST:
        raise op.unsupported(f"of {rank} axes; it has 2-D and 1-D")
    return CHANNELS_LAST[rank]


def windows_of(op: Op, kernel: Sequence[int]) -> tuple[Window, Window]:
    """The windows of a Conv or a pool along height and width; a signal has height 1."""
    sizes, outs = op.shape(0)[2:], op.result_shape[2:]
    axes = len(sizes)
    strides, dilations = op.ints("strides", [1] * axes), op.ints("dilations", [1] * axes)
    pads = op.ints("pads", [0] * (2 * axes))
    automatic = op.text("auto_pad", "NOTSET")
    found = []
    for axis in range(axes):
        begin, end = pads[axis], pads[axes + axis]
        if automatic != "NOTSET":
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            total = max((outs[axis] - 1) * strides[axis] + reach - sizes[axis], 0)
            begin = {"SAME_UPPER": total // 2, "SAME_LOWER": total - total // 2}.get(automatic, 0)
            end = total - begin if automatic != "VALID" else 0
        found.append(
            Window(
                sizes[axis], outs[axis], kernel[axis], strides[axis], dilations[axis], begin, end
            )
        )
    height = found[0] if axes == 2 else Window(1, 1, 1)
    return height, found[-1]


def schemed(
    op: Op, x: Tensor, windows: tuple[Window, Window], filler: Tensor | None = None
) -> tuple[int, Tensor]:
    """A padding scheme, and the tensor to use it on: `x`, or `x` explicitly padded.

    Args:
        op: the node being written.
        x: channels last.
        windows: along height and width.
        filler: what to pad with; zero by default.
    """
    if all(window.is_valid for window in windows):
        return schema.padding("VALID"), x
    if all(window.is_same for window in windows):
        return schema.padding("SAME"), x
    return schema.padding("VALID"), padded(op, x, windows, filler)


def padded(
    op: Op, x: Tensor, windows: tuple[Window, Window], filler: Tensor | None = None
) -> Tensor:
    """A picture, channels last, with the padding that its windows need."""
    pads = [(0, 0), *((window.begin, max(window.end, 0)) for window in windows), (0, 0)]
    if not np.any(pads):
        return x
    shape = [size + sum(pad) for size, pad in zip(x.shape, pads, strict=True)]
    inputs = [x, op.fixed("pads", pads)]
    if filler is None:
        return op.emit("PAD", inputs, shape, like=x)
    return op.emit("PADV2", [*inputs, filler], shape, like=x)


def strides(windows: tuple[Window, Window]) -> dict[str, int]:
    """The options that say how far windows move."""
    return {"strideH": windows[0].stride, "strideW": windows[1].stride}


def dilations(windows: tuple[Window, Window]) -> dict[str, int]:
    """The options that say how far apart a window's entries are."""
    return {"dilationHFactor": windows[0].dilation, "dilationWFactor": windows[1].dilation}
