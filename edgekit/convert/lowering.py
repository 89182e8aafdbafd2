"""A TFLite graph in the making: where each value of the ONNX graph lies in it."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.constants import Constants
from edgekit.convert.graph import require_fixed
from edgekit.convert.layout import (
    NEW,
    Order,
    as_in_onnx,
    same_memory,
    stored,
    stored_shape,
)
from edgekit.convert.op import Op, Placed
from edgekit.convert.quantization import Grid, grid_of
from edgekit.convert.rule import Integers, Rule
from edgekit.convert.tails import Tail, grid_wanted, tail_of
from edgekit.convert.writer import Tensor, Writer
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op, static_shape

_MOVES = (
    "Concat", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "Split",
    "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


class Lowering:
    """Writes the nodes of a prepared graph one after the other.

    Each value is placed once, in the order and dtype its producer prefers, and moved or converted
    where a reader wants it otherwise; the same conversion is made only once.
    """

    def __init__(self, model: ir.Model, rules: Mapping[str, Rule], *, weights: str) -> None:
        """Starts with the graph's inputs in place.

        Args:
            model: a `prepared` one.
            rules: by ONNX operator.
            weights: `float32`, or `float16` to store the weights of float layers in half.
        """
        graph = model.graph
        self.constants = Constants(model)
        self.half_weights = weights == "float16"
        self._graph = graph
        self._rules = rules
        self._require_rules()
        for value in [*graph.inputs, *graph.outputs]:
            require_fixed(value)
        self._tails = {
            node: tail_of(node, rules, self.constants)
            for node in graph
            if node not in self.constants.nodes
        }
        names = [str(value.name) for value in [*graph.inputs, *graph.outputs]]
        self.writer = Writer(names)
        self._placed: dict[ir.Value, Placed] = {}
        self._converted: dict[tuple[object, ...], Tensor] = {}
        self._inputs = {str(value.name): self._input(value) for value in graph.inputs}

    def run(self, metadata: Mapping[str, str]) -> bytes:
        """Writes every node; gives the TFLite file.

        Raises:
            UnsupportedModel: a node asks for what TFLite, or its rule, does not have.
        """
        done = set(self.constants.nodes)
        for node in self._graph:
            if node in done:
                continue
            tail = self._tails[node]
            done.update(tail.nodes)
            self._rules[node.op_type].write(self._op(node, tail))
        outputs: dict[str, Tensor] = {}
        for value in self._graph.outputs:
            taken = [*self._inputs.values(), *outputs.values()]
            outputs[str(value.name)] = self._output(value, taken)
        return self.writer.finish(self._inputs, outputs, metadata)

    def place(self, value: ir.Value, placed: Placed) -> None:
        """Says where a value is."""
        self._placed[value] = placed
        self.writer.name(placed.tensor, str(value.name))

    def placed(self, value: ir.Value) -> Placed:
        """Where a value is; constants are put in place as ONNX has them."""
        if value not in self._placed:
            array = self.constants.array(value)
            if array is None:
                raise UnsupportedModel(
                    f"TFLite export does not give the output {value.name!r}, which is read"
                )
            order = as_in_onnx(array.ndim)
            self._placed[value] = Placed(self.writer.constant(str(value.name), array), order)
        return self._placed[value]

    def shape(self, value: ir.Value) -> tuple[int, ...]:
        """The shape of a value in the ONNX graph."""
        array = self.constants.array(value) if value not in self._placed else None
        if array is not None:
            return array.shape
        shape = static_shape(value)
        if shape is None:
            raise UnsupportedModel(
                f"the shape of {value.name!r} is not known before the model runs; TFLite export "
                "needs fixed shapes"
            )
        return shape

    def stored(self, value: ir.Value, order: Order) -> Tensor:
        """A value in some order, in whatever dtype it is stored."""
        if value not in self._placed and (array := self.constants.array(value)) is not None:
            return self.writer.constant(str(value.name), stored(array, order))
        placed = self.placed(value)
        assert placed.columns is None, f"the columns of {value.name} are out of place"
        return self._reordered(placed.tensor, placed.order, order, self.shape(value))

    def floats(self, value: ir.Value, order: Order) -> Tensor:
        """A value in some order as float32."""
        array = self.constants.array(value) if value not in self._placed else None
        if array is not None and array.dtype != np.float32:
            numbers = stored(array, order).astype(np.float32)
            return self.writer.constant(str(value.name), numbers)
        return self.dequantized(self.stored(value, order), value)

    def integers(self, value: ir.Value, order: Order, grid: Grid | None = None) -> Tensor:
        """A value in some order as int8, on a grid, or on its own."""
        if value not in self._placed and (array := self.constants.array(value)) is not None:
            quantized = self.constants.quantized(value)
            own = quantized.per_tensor() if quantized is not None else None
            if own is not None and grid in (None, own[1]):
                return self.writer.constant(str(value.name), stored(own[0], order), own[1])
            assert grid is not None, f"{value.name} has no grid"
            return self.writer.constant(
                str(value.name), stored(_quantized(array, grid), order), grid
            )
        return self.quantized(self.stored(value, order), grid)

    def dequantized(self, tensor: Tensor, value: ir.Value) -> Tensor:
        """A tensor as float32."""
        if tensor.dtype == np.float32:
            return tensor
        if tensor.grid is None and tensor.dtype != np.float16:
            raise UnsupportedModel(
                f"{value.name!r} is {tensor.dtype} where TFLite computes in float32"
            )
        return self._convert(tensor, "DEQUANTIZE", np.dtype(np.float32), None)

    def quantized(self, tensor: Tensor, grid: Grid | None = None) -> Tensor:
        """A tensor as int8 on a grid, or on its own.

        From grid to grid it goes by float32: XNNPACK's own step has a factor of only 8 bits.
        """
        grid = grid or tensor.grid
        if tensor.dtype == np.int8 and tensor.grid == grid:
            return tensor
        if tensor.grid not in (None, grid):
            tensor = self._convert(tensor, "DEQUANTIZE", np.dtype(np.float32), None)
        return self._convert(tensor, "QUANTIZE", np.dtype(np.int8), grid)

    def _convert(
        self, tensor: Tensor, code: str, dtype: np.dtype[np.generic], grid: Grid | None
    ) -> Tensor:
        key = (tensor.index, code, dtype, grid)
        if key not in self._converted:
            made = self.writer.tensor(
                f"tensor_{tensor.index}/{code.lower()}", tensor.shape, dtype, grid
            )
            self.writer.operator(code, [tensor], [made])
            self._converted[key] = made
        return self._converted[key]

    def _reordered(
        self, tensor: Tensor, before: Order, after: Order, shape: tuple[int, ...]
    ) -> Tensor:
        if before == after:
            return tensor
        key = (tensor.index, before, after)
        if key in self._converted:
            return self._converted[key]
        moved = tensor
        if not same_memory(before, after, shape):
            old = tuple(axis for axis in before if axis != NEW)
            new = tuple(axis for axis in after if axis != NEW)
            moved = self._reshaped(moved, stored_shape(shape, old))
            permutation = np.array([old.index(axis) for axis in new], np.int32)
            moved = self._moved(moved, "TRANSPOSE", permutation, stored_shape(shape, new))
        moved = self._reshaped(moved, stored_shape(shape, after))
        self._converted[key] = moved
        return moved

    def _reshaped(self, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        if tensor.shape == shape:
            return tensor
        return self._moved(tensor, "RESHAPE", np.array(shape, np.int32), shape)

    def _moved(self, tensor: Tensor, code: str, how: Array, shape: tuple[int, ...]) -> Tensor:
        made = self.writer.tensor(
            f"tensor_{tensor.index}/{code.lower()}", shape, tensor.dtype, tensor.grid
        )
        options = schema.NO_OPTIONS
        if code == "RESHAPE":
            options = schema.options("Reshape", newShape=how.tolist())
        name = "permutation" if code == "TRANSPOSE" else "shape"
        self.writer.operator(code, [tensor, self.writer.constant(name, how)], [made], options)
        return made

    def _require_rules(self) -> None:
        unknown: dict[str, str] = {}
        for node in self._graph:
            standard = node.domain in ("", "ai.onnx")
            if node not in self.constants.nodes and not (standard and node.op_type in self._rules):
                kind = node.op_type if standard else f"{node.domain}::{node.op_type}"
                unknown.setdefault(kind, str(node.name))
        if unknown:
            found = ", ".join(f"{kind} (node {name!r})" for kind, name in unknown.items())
            raise UnsupportedModel(
                f"cannot be written as TFLite: there is no rule for {found}; run the model as "
                "ONNX, or replace the operator"
            )

    def _input(self, value: ir.Value) -> Tensor:
        assert value.dtype is not None
        dtype = value.dtype.numpy()
        grid = _grid_read(value) if dtype in (np.uint8, np.int8) else None
        tensor = self.writer.tensor(str(value.name), self.shape(value), dtype, grid)
        self._placed[value] = Placed(tensor, as_in_onnx(len(tensor.shape)))
        return tensor

    def _output(self, value: ir.Value, taken: list[Tensor]) -> Tensor:
        order = as_in_onnx(len(self.shape(value)))
        assert value.dtype is not None
        dtype = value.dtype.numpy()
        if dtype == np.float32:
            tensor = self.floats(value, order)
        else:
            tensor = self.stored(value, order)
            if tensor.dtype != dtype and tensor.grid is not None:
                tensor = self._convert(tensor, "QUANTIZE", np.dtype(dtype), tensor.grid)
        if tensor.dtype != dtype:
            raise UnsupportedModel(
                f"the output {value.name!r} is {dtype}, which TFLite cannot give"
            )
        if tensor in taken:
            shape = np.array(tensor.shape, np.int32)
            tensor = self._moved(tensor, "RESHAPE", shape, tensor.shape)
        return tensor

    def _op(self, node: ir.Node, tail: Tail) -> Op:
        rule = self._rules[node.op_type]
        op = Op(self, node, rule, tail)
        dtype, grid = self._mode(op, rule)
        return replace(op, dtype=dtype, grid=grid)

    def _mode(self, op: Op, rule: Rule) -> tuple[np.dtype[np.generic], Grid | None]:
        """The dtype and grid a node computes in."""
        tensors = [self.placed(value).tensor for value in op.activations]
        wanted = grid_wanted(op.tail.result)
        grids = {tensor.grid for tensor in tensors}
        dtypes = {tensor.dtype for tensor in tensors}
        int8 = np.dtype(np.int8)
        if rule.integers is Integers.MOVES:
            grid = grids.pop() if len(grids) == 1 else wanted
            dtype = dtypes.pop() if len(dtypes) == 1 else int8
            if None in grids or (dtype == int8 and grid is None and len(dtypes) != 0):
                return np.dtype(np.float32), None
            if rule.integer_if(replace(op, dtype=dtype, grid=grid)):
                return dtype, grid
        elif (
            rule.integers is Integers.COMPUTES
            and wanted is not None
            and None not in grids
            and rule.grid in (None, wanted)
            and rule.integer_if(replace(op, dtype=int8, grid=wanted))
        ):
            return int8, wanted
        return np.dtype(np.float32), None


def _quantized(array: Array, grid: Grid) -> Array:
    integers: Array = np.rint(array.astype(np.float32) / np.float32(grid.scale))
    saturated: Array = np.clip(integers + grid.zero_point, -128, 127)
    return saturated.astype(np.int8)


def _grid_read(value: ir.Value) -> Grid | None:
    """The grid on which a graph input of integers is read, if nothing but moving comes before."""
    waiting = [value]
    while waiting:
        for node, index in waiting.pop().uses():
            if is_op(node, "DequantizeLinear") and index == 0:
                return grid_of(node)
            if index == 0 and is_op(node, *_MOVES):
                waiting += node.outputs
    return None
