"""Where the windows of a convolution or a pool lie on its input."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.shapes import operand, shape_of, string_of
from edgekit.graph.match import ints_of


@dataclass(frozen=True)
class Window:
    """One number an axis, for the spatial axes of `[N, C, ...]`.

    Attributes:
        size: of the input.
        count: how many windows there are: the output's size.
        kernel: how many positions a window has.
        stride: from a window to the next.
        dilation: from a position of a window to the next.
        before: zeros put in front of the input.
        after: zeros that the last window needs behind it; negative where it leaves as many
            numbers of the input alone.
    """

    size: tuple[int, ...]
    count: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def of(cls, node: ir.Node, kernel: tuple[int, ...]) -> "Window":
        """The windows of a Conv, MaxPool or AveragePool node, its `auto_pad` resolved."""
        size, count = shape_of(operand(node, 0))[2:], shape_of(node.outputs[0])[2:]
        return cls._between(node, kernel, size, count)

    @classmethod
    def of_transposed(cls, node: ir.Node, kernel: tuple[int, ...]) -> "Window":
        """The windows of a ConvTranspose node; they lie on its output."""
        size, count = shape_of(node.outputs[0])[2:], shape_of(operand(node, 0))[2:]
        return cls._between(node, kernel, size, count)

    @classmethod
    def _between(
        cls, node: ir.Node, kernel: tuple[int, ...], size: tuple[int, ...], count: tuple[int, ...]
    ) -> "Window":
        ones = [1] * len(size)
        stride = tuple(ints_of(node, "strides") or ones)
        dilation = tuple(ints_of(node, "dilations") or ones)
        spans = [
            (n - 1) * s + d * (k - 1) + 1
            for n, s, d, k in zip(count, stride, dilation, kernel, strict=True)
        ]
        outside = [max(span - n, 0) for span, n in zip(spans, size, strict=True)]
        automatic = string_of(node, "auto_pad", "NOTSET")
        if automatic == "SAME_UPPER":
            before = tuple(number // 2 for number in outside)
        elif automatic == "SAME_LOWER":
            before = tuple(number - number // 2 for number in outside)
        else:
            before = tuple((ints_of(node, "pads") or [0] * 2 * len(size))[: len(size)])
        after = tuple(span - b - n for span, b, n in zip(spans, before, size, strict=True))
        return cls(size, count, kernel, stride, dilation, before, after)

    def slices(self, x: ir.Value, build: Backward) -> list[ir.Value]:
        """For each position of the kernel the numbers under it, `[N, C, *count]`, zeros outside."""
        after = [max(number, 0) for number in self.after]
        padded = build.pad(x, [0, 0, *self.before], [0, 0, *after])
        axes = range(2, 2 + len(self.size))
        return [
            build.cut(padded, starts=starts, ends=ends, axes=axes, steps=self.stride)
            for starts, ends in self._spans()
        ]

    def _spans(self) -> list[tuple[list[int], list[int]]]:
        """For each position of the kernel where its numbers start and end on the padded input."""
        spans = []
        for position in product(*map(range, self.kernel)):
            starts = [p * d for p, d in zip(position, self.dilation, strict=True)]
            ends = [
                start + (n - 1) * s + 1
                for start, n, s in zip(starts, self.count, self.stride, strict=True)
            ]
            spans.append((starts, ends))
        return spans

    def reached(self, x: ir.Value, build: Backward) -> ir.Value:
        """An input without the numbers at its end that no window reaches."""
        ends = [n + min(number, 0) for n, number in zip(self.size, self.after, strict=True)]
        axes = range(2, 2 + len(ends))
        return build.cut(x, starts=[0] * len(ends), ends=ends, axes=axes)

    def plain(self) -> dict[str, Any]:
        """The attributes of the Conv that has these windows, on what they reach of an input."""
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.stride),
            "dilations": list(self.dilation),
            "pads": [*self.before, *(max(number, 0) for number in self.after)],
        }

    def mirrored(self) -> dict[str, Any] | None:
        """The attributes of the Conv that does the same with the kernel turned.

        `None` where windows move by more than one, or more zeros lie outside than a kernel spans.
        """
        reach = [d * (k - 1) for d, k in zip(self.dilation, self.kernel, strict=True)]
        pads = [
            r - number
            for outside in (self.before, self.after)
            for r, number in zip(reach, outside, strict=True)
        ]
        if any(s > 1 for s in self.stride) or any(number < 0 for number in pads):
            return None
        return {
            "kernel_shape": list(self.kernel),
            "dilations": list(self.dilation),
            "pads": pads,
        }

    def transposed(self) -> dict[str, Any]:
        """The attributes of the ConvTranspose that takes the windows back to the input."""
        after = [max(number, 0) for number in self.after]
        return {
            "kernel_shape": list(self.kernel),
            "strides": list(self.stride),
            "dilations": list(self.dilation),
            "pads": [*self.before, *after],
            "output_padding": [max(-number, 0) for number in self.after],
        }
