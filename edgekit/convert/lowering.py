"""A TFLite graph in the making: where each value of the ONNX graph lies in it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.convert.constants import Constants
from edgekit.convert.conversions import Conversions
from edgekit.convert.graph import require_fixed
from edgekit.convert.layout import Order, as_in_onnx, stored
from edgekit.convert.op import Op, Placed
from edgekit.convert.quantization import Grid, grid_of
from edgekit.convert.rule import Integers, Rule
from edgekit.convert.tails import Tail, grid_wanted, tail_of
from edgekit.convert.writer import Tensor, Writer
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op, static_shape


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
        self.conversions = Conversions(self.writer)
        self._placed: dict[ir.Value, Placed] = {}
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
        """Where a value is that depends on the graph's inputs.

        Raises:
            UnsupportedModel: it is an output of a node that its rule does not write.
        """
        if value not in self._placed:
            raise UnsupportedModel(
                f"TFLite export does not give the output {value.name!r}, which is read"
            )
        return self._placed[value]

    def shape(self, value: ir.Value) -> tuple[int, ...]:
        """The shape of a value in the ONNX graph."""
        shape = self.constants.shape(value) if value in self.constants else static_shape(value)
        if shape is None:
            raise UnsupportedModel(
                f"the shape of {value.name!r} is not known before the model runs; TFLite export "
                "needs fixed shapes"
            )
        return shape

    def stored(self, value: ir.Value, order: Order) -> Tensor:
        """A value in some order, in whatever dtype it is stored."""
        if value in self.constants:
            return self.writer.constant(str(value.name), stored(self.constants.known(value), order))
        placed = self.placed(value)
        assert placed.columns is None, f"the columns of {value.name} are out of place"
        return self.conversions.reordered(placed.tensor, placed.order, order, self.shape(value))

    def floats(self, value: ir.Value, order: Order) -> Tensor:
        """A value in some order as float32."""
        if value in self.constants:
            numbers = stored(self.constants.known(value), order)
            return self.writer.constant(str(value.name), numbers.astype(np.float32))
        return self.conversions.dequantized(self.stored(value, order), str(value.name))

    def integers(self, value: ir.Value, order: Order, grid: Grid | None = None) -> Tensor:
        """A value in some order as int8, on a grid, or on its own."""
        if value in self.constants:
            quantized = self.constants.quantized(value)
            own = quantized.per_tensor() if quantized is not None else None
            if own is not None and grid in (None, own[1]):
                return self.writer.constant(str(value.name), stored(own[0], order), own[1])
            assert grid is not None, f"{value.name} has no grid"
            numbers = _quantized(self.constants.known(value), grid)
            return self.writer.constant(str(value.name), stored(numbers, order), grid)
        return self.conversions.quantized(self.stored(value, order), grid)

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
        grid = self._grid_read(value) if dtype in (np.uint8, np.int8) else None
        tensor = self.writer.tensor(str(value.name), self.shape(value), dtype, grid)
        self._placed[value] = Placed(tensor, as_in_onnx(len(tensor.shape)))
        return tensor

    def _grid_read(self, value: ir.Value) -> Grid | None:
        """The grid on which a graph input of integers is read, past what only moves it."""
        waiting = [value]
        while waiting:
            for node, index in waiting.pop().uses():
                if is_op(node, "DequantizeLinear") and index == 0:
                    return grid_of(node)
                if index == 0 and self._rules[node.op_type].integers is Integers.MOVES:
                    waiting += node.outputs
        return None

    def _output(self, value: ir.Value, taken: list[Tensor]) -> Tensor:
        order = as_in_onnx(len(self.shape(value)))
        assert value.dtype is not None
        dtype = value.dtype.numpy()
        if dtype == np.float32:
            tensor = self.floats(value, order)
        else:
            tensor = self.stored(value, order)
            if tensor.grid is not None:
                tensor = self.conversions.shifted(tensor, dtype)
        if tensor.dtype != dtype:
            raise UnsupportedModel(
                f"the output {value.name!r} is {dtype}, which TFLite cannot give"
            )
        return self.conversions.copied(tensor) if tensor in taken else tensor

    def _op(self, node: ir.Node, tail: Tail) -> Op:
        rule = self._rules[node.op_type]
        op = Op(self, node, rule, tail)
        dtype, grid = self._mode(op, rule)
        return replace(op, dtype=dtype, grid=grid)

    def _mode(self, op: Op, rule: Rule) -> tuple[np.dtype[Any], Grid | None]:
        """The dtype and grid a node computes in."""
        tensors = [self.placed(value).tensor for value in op.activations]
        wanted = grid_wanted(op.tail.result)
        grids = {tensor.grid for tensor in tensors}
        dtypes = {tensor.dtype for tensor in tensors}
        int8: np.dtype[Any] = np.dtype(np.int8)
        float32: np.dtype[Any] = np.dtype(np.float32)
        if rule.integers is Integers.MOVES:
            if len(dtypes) == len(grids) == 1:
                dtype, grid = dtypes.pop(), grids.pop()
            elif None not in grids and (len(grids) == 1 or wanted is not None):
                dtype, grid = int8, grids.pop() if len(grids) == 1 else wanted
            else:
                return float32, None
            if dtype == float32 or rule.integer_if(replace(op, dtype=dtype, grid=grid)):
                return dtype, grid
        elif (
            rule.integers is Integers.COMPUTES
            and wanted is not None
            and None not in grids
            and rule.grid in (None, wanted)
            and rule.integer_if(replace(op, dtype=int8, grid=wanted))
        ):
            return int8, wanted
        return float32, None


def _quantized(array: Array, grid: Grid) -> Array:
    integers: Array = np.rint(array.astype(np.float32) / np.float32(grid.scale))
    saturated: Array = np.clip(integers + grid.zero_point, -128, 127)
    return saturated.astype(np.int8)
