"""One ONNX node on its way into TFLite: what a rule reads from and gives to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.layout import Order, as_in_onnx, same_memory, stored_shape
from edgekit.convert.quantization import Grid
from edgekit.convert.rule import Integers, Rule
from edgekit.convert.tails import Tail
from edgekit.convert.versions import Version
from edgekit.convert.writer import Tensor
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import float_of, input_of, int_of, ints_of, string_of

if TYPE_CHECKING:
    from edgekit.convert.lowering import Lowering

_FLOAT32: np.dtype[Any] = np.dtype(np.float32)


@dataclass(frozen=True)
class Placed:
    """The tensor that stores a value.

    Attributes:
        tensor: its numbers; int8 on a grid where the value is what a DequantizeLinear gives.
        order: which axis of the value each of the tensor's axes is.
        columns: which entry of the value's last axis each of the tensor's is; `None` if the same.
    """

    tensor: Tensor
    order: Order
    columns: Array | None = None


@dataclass(frozen=True)
class Op:
    """A node, its rule, and the dtype it computes in.

    Attributes:
        lowering: the graph being written.
        node: what is to be written.
        rule: how.
        tail: the nodes that are done with it, and the value they give.
        dtype: float32, or int8 on `grid`; for an operator that moves, whatever it reads.
        grid: of what it gives.
    """

    lowering: "Lowering"
    node: ir.Node
    rule: Rule
    tail: Tail
    dtype: np.dtype[Any] = _FLOAT32
    grid: Grid | None = None

    @property
    def is_integer(self) -> bool:
        """Whether the node computes on a grid."""
        return self.grid is not None

    @property
    def activations(self) -> list[ir.Value]:
        """What the node reads that depends on the graph's inputs."""
        return [
            value
            for value in self.node.inputs
            if value is not None and value not in self.lowering.constants
        ]

    @property
    def result_shape(self) -> tuple[int, ...]:
        """The shape of what the node gives, in the ONNX graph."""
        return self.lowering.shape(self.node.outputs[0])

    @property
    def fused(self) -> dict[str, int]:
        """The option that says which activation is fused."""
        return {"fusedActivationFunction": schema.activation(self.tail.activation)}

    def input(self, index: int) -> ir.Value | None:
        """An input, `None` where the node leaves it out."""
        return input_of(self.node, index)

    def value(self, index: int) -> ir.Value:
        """An input that must be there."""
        found = self.input(index)
        if found is None:
            raise self.unsupported(f"without its input {index}")
        return found

    def array(self, index: int) -> Array | None:
        """A constant input."""
        return self.lowering.constants.array(self.input(index))

    def is_constant(self, index: int) -> bool:
        """Whether an input is there and known; works out nothing."""
        return self.input(index) in self.lowering.constants

    def constant(self, index: int, what: str) -> Array:
        """An input that must be constant.

        Raises:
            UnsupportedModel: it is not.
        """
        array = self.array(index)
        if array is None:
            raise self.unsupported(f"with {what} that are not constant")
        return array

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an input, in the ONNX graph."""
        return self.lowering.shape(self.value(index))

    def order(self, index: int) -> Order:
        """The order in which an input is stored."""
        value = self.value(index)
        if value in self.lowering.constants:
            return as_in_onnx(len(self.lowering.shape(value)))
        return self.lowering.placed(value).order

    def read(self, index: int, order: Order | None = None) -> Tensor:
        """An input in the node's dtype, in some order or the one it is stored in."""
        return self.read_value(self.value(index), self.order(index) if order is None else order)

    def read_run(self, index: int, order: Order) -> Tensor:
        """An input with its numbers one after the other as in some order, in whatever shape."""
        now = self.order(index)
        return self.read(index, now if same_memory(now, order, self.shape(index)) else order)

    def read_value(self, value: ir.Value, order: Order) -> Tensor:
        """A value in the node's dtype, in some order."""
        if self.rule.integers is Integers.MOVES:
            if self.grid is not None and self.dtype == np.int8:
                return self.lowering.integers(value, order, self.grid)
            if self.dtype != np.float32:
                return self.lowering.stored(value, order)
        elif self.is_integer:
            return self.lowering.integers(value, order)
        return self.lowering.floats(value, order)

    def emit(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shape: Sequence[int],
        options: schema.Options = schema.NO_OPTIONS,
        *,
        like: Tensor | None = None,
        dtype: npt.DTypeLike | None = None,
        version: Version | None = None,
    ) -> Tensor:
        """Appends an operator with one output; gives that.

        The output has the node's dtype and grid, or those of `like`, or the `dtype` given.
        """
        (made,) = self.emit_many(
            code, inputs, [shape], options, like=like, dtype=dtype, version=version
        )
        return made

    def emit_many(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        shapes: Sequence[Sequence[int]],
        options: schema.Options = schema.NO_OPTIONS,
        *,
        like: Tensor | None = None,
        dtype: npt.DTypeLike | None = None,
        version: Version | None = None,
    ) -> list[Tensor]:
        """Appends an operator with several outputs; gives them."""
        grid = self.grid if like is None else like.grid
        kind = self.dtype if like is None else like.dtype
        if dtype is not None:
            grid, kind = None, np.dtype(dtype)
        writer = self.lowering.writer
        name = f"{self.node.name}/{code.lower()}"
        made = [writer.tensor(name, shape, kind, grid) for shape in shapes]
        writer.operator(code, inputs, made, options, version)
        return made

    def reshaped(self, tensor: Tensor, shape: Sequence[int]) -> Tensor:
        """A tensor in another shape; no operator where it has that already."""
        if tensor.shape == tuple(shape):
            return tensor
        options = schema.options("Reshape", newShape=list(shape))
        inputs = [tensor, self.fixed("shape", shape)]
        return self.emit("RESHAPE", inputs, shape, options, like=tensor)

    def cut(self, tensor: Tensor, place: int, sizes: Sequence[int]) -> list[Tensor]:
        """A tensor in pieces along an axis: by SPLIT, or by SLICE where they are not alike."""
        shapes = [(*tensor.shape[:place], size, *tensor.shape[place + 1 :]) for size in sizes]
        if len(set(sizes)) == 1:
            options = schema.options("Split", numSplits=len(sizes))
            inputs = [self.fixed("axis", place), tensor]
            return self.emit_many("SPLIT", inputs, shapes, options, like=tensor)
        starts = np.cumsum([0, *sizes])
        made = []
        for start, shape in zip(starts.tolist(), shapes, strict=False):
            begin = [start if axis == place else 0 for axis in range(len(shape))]
            inputs = [tensor, self.fixed("begin", begin), self.fixed("size", shape)]
            made.append(self.emit("SLICE", inputs, shape, like=tensor))
        return made

    def fixed(self, name: str, numbers: npt.ArrayLike, dtype: npt.DTypeLike = np.int32) -> Tensor:
        """A constant that is no weight: axes, shapes, paddings; int32 unless told."""
        return self.lowering.writer.constant(name, np.asarray(numbers, dtype))

    def number(self, number: float) -> Tensor:
        """A float32 scalar."""
        return self.fixed("number", number, np.float32)

    def weights(self, index: int, array: Array, grid: Grid | None = None) -> Tensor:
        """The weights behind an input, as the node computes with them: int8, or float32.

        Of what becomes float32 only when the model is loaded, the file holds less: int8 on a grid,
        or half where that was asked.
        """
        name = str(self.value(index).name)
        if array.dtype == np.float32 and self.lowering.half_weights:
            with np.errstate(over="ignore"):
                half = array.astype(np.float16)
            array = half if np.isfinite(half).all() else array
        stored = self.lowering.writer.constant(name, array, grid)
        return stored if self.is_integer else self.lowering.conversions.dequantized(stored, name)

    def give(self, tensor: Tensor, order: Order, output: int = 0) -> None:
        """Says which tensor stores what the node gives."""
        value = self.tail.result if output == 0 else self.node.outputs[output]
        shape = self.lowering.shape(value)
        assert tensor.shape == stored_shape(shape, order), (
            f"{self.node.name}: {tensor.shape} does not store {shape} in the order {order}"
        )
        self.lowering.place(value, Placed(tensor, order))

    def ints(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        """An integer-list attribute."""
        found = ints_of(self.node, name)
        return tuple(default if found is None else found)

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int_of(self.node, name, default)

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        return float_of(self.node, name, default)

    def text(self, name: str, default: str) -> str:
        """A text attribute."""
        return string_of(self.node, name, default)

    def unsupported(self, why: str) -> UnsupportedModel:
        """The error of a node that cannot be written: `raise op.unsupported("with 3 inputs")`."""
        return UnsupportedModel(
            f"node {self.node.name!r}: TFLite export cannot write {self.node.op_type} {why}"
        )
