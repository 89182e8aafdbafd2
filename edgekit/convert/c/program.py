"""A network as C will run it: definitions of constants, and calls of kernels one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.array import Array
from edgekit.convert.c import text
from edgekit.convert.c.reading import Tensor


@dataclass(frozen=True)
class Step:
    """One call of a kernel.

    Attributes:
        call: its text, with `{0}`, `{1}` for what it reads, `{y}` for what it fills and `{patch}`
            for its scratch memory.
        kernel: which.
        reads: tensors of the file.
        gives: the tensor it fills.
        patch: bytes of scratch memory it needs.
        macs: multiplications that are added up.
    """

    call: str
    kernel: str
    reads: tuple[int, ...]
    gives: int
    patch: int = 0
    macs: int = 0


@dataclass
class Program:
    """What is collected while a network is lowered.

    Attributes:
        definitions: of constants, in C.
        constant_bytes: what these take in flash.
        steps: in order.
        aliases: tensors that are others, by another shape.
    """

    definitions: list[str] = field(default_factory=list)
    constant_bytes: int = 0
    steps: list[Step] = field(default_factory=list)
    aliases: dict[int, int] = field(default_factory=dict)

    def root(self, index: int) -> int:
        """The tensor whose memory a tensor lies in."""
        while index in self.aliases:
            index = self.aliases[index]
        return index

    def constant(self, kind: str, values: Any, dtype: npt.DTypeLike) -> str:
        """The name of a new array of constants."""
        array: Array = np.asarray(values, dtype)
        name = f"{kind}_{len(self.definitions)}"
        self.definitions.append(text.table(name, array))
        self.constant_bytes += array.nbytes
        return name

    def grid(self, zero_point: int, lowest: int = -128, highest: int = 127) -> str:
        """A reference to a new `ek_grid`."""
        name = f"grid_{len(self.definitions)}"
        numbers = f"{zero_point}, {lowest}, {highest}"
        self.definitions.append(f"static const ek_grid {name} = {{{numbers}}};")
        self.constant_bytes += 4
        return f"&{name}"

    def window(self, numbers: Sequence[int]) -> str:
        """A reference to a new `ek_window`."""
        name = f"window_{len(self.definitions)}"
        listed = ", ".join(map(str, numbers))
        self.definitions.append(f"static const ek_window {name} = {{{listed}}};")
        self.constant_bytes += 4 * len(numbers)
        return f"&{name}"


def scale_bits(scales: Array) -> Array:
    """The bits of float32 scales, as `ek_rescale` takes them."""
    return np.ascontiguousarray(scales, np.float32).view(np.uint32)


def clamped(tensor: Tensor, activation: str) -> tuple[int, int]:
    """The least and the greatest integer that a fused activation leaves, as XNNPACK rounds them."""
    low, high = {
        "NONE": (-np.inf, np.inf),
        "RELU": (0.0, np.inf),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }[activation]
    ends = []
    for end, limit in ((low, -128), (high, 127)):
        if np.isinf(end):
            ends.append(limit)
        else:
            integer = int(np.rint(np.float32(end) / tensor.scale)) + tensor.zero_point
            ends.append(min(max(integer, -128), 127))
    return ends[0], ends[1]
