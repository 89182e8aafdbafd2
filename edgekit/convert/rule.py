"""What a rule is: how one ONNX operator becomes TFLite operators, and when it may stay in int8."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from edgekit.convert.quantization import Grid

if TYPE_CHECKING:
    from edgekit.convert.op import Op


class Integers(Enum):
    """What an operator can do with int8."""

    NEVER = "it reads and gives floats"
    MOVES = "it gives numbers it reads, so what it gives is on the grid of what it reads"
    COMPUTES = "it gives numbers on whatever grid the QuantizeLinear after it has"


@dataclass(frozen=True)
class Rule:
    """How one ONNX operator is written.

    Attributes:
        write: emits the TFLite operators for a node.
        integers: what it can do with int8.
        grid: the only grid its int8 kernel gives numbers on, where TFLite fixes it.
        integer_if: whether a node may be computed in int8, as far as the operator can say.
        fuses: whether the TFLite operator applies a ReLU that follows.
    """

    write: "Callable[[Op], None]"
    integers: Integers = Integers.NEVER
    grid: Grid | None = None
    integer_if: "Callable[[Op], bool]" = lambda op: True
    fuses: bool = False
