"""Integers of few levels, two in a byte, and the nodes that unpack them.

LZMA codes a byte in eight binary decisions and pays at least 0.02 bits for each, even where it
could not be otherwise; small integers stored one a byte so cost 5 to 9 % more than their entropy.
Two in one byte cost 2 to 3 % more. onnxruntime unpacks them when it loads the model, by folding
ordinary nodes, so nothing of it is left when the model runs.
"""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.quantize.trellis import Coded
from edgekit.graph.edit import add_initializer, insert_before, set_constant

PACKED_LEVELS = 16
"""Two integers share a byte where there are at most so many levels."""
_SHARED = 8
"""How many numbers a constant may have that several layers share."""


def pack(model: ir.Model, dequantize: ir.Node, weights: Array, levels: Array) -> None:
    """Lets a DequantizeLinear read integers of which two lie in each byte.

    Args:
        model: changed in place.
        dequantize: reads the weights as its first input.
        weights: int8, of the shape that it reads.
        levels: int64, sorted, at most `PACKED_LEVELS`.
    """
    chain = _Chain(model, dequantize)
    chain.unpack(weights, levels, ir.DataType.INT8)
    chain.insert()


def pack_coded(
    model: ir.Model,
    dequantize: ir.Node,
    coded: Coded,
    levels: Array,
    *,
    kernel: Sequence[int],
    rows_first: bool,
) -> None:
    """Lets a DequantizeLinear read integers that are walks through a trellis.

    Its states are sums of parities, which CumSum computes for all rows at once.

    Args:
        model: changed in place.
        dequantize: reads the weights as its first input.
        coded: the integers; K is even.
        levels: int64, sorted, of the indices.
        kernel: the sizes of a Conv's window; empty for a matrix.
        rows_first: whether the first axis of the weights is that of the outputs.
    """
    rows, columns = coded.indices.shape
    taps = int(np.prod(kernel))
    shape = (rows, columns // taps, *kernel)
    places = np.argsort(coded.order).astype(np.int32)

    chain = _Chain(model, dequantize)
    if len(levels) <= PACKED_LEVELS:
        indices = chain.unpack(coded.indices, levels, ir.DataType.INT32)
    else:
        indices = chain.plain(coded.indices, ir.DataType.INT32)
    before = chain.op("Pad", indices, np.array([0, 1, 0, -1]), shape=(rows, columns))
    before = chain.reshape(before, (rows, columns // 2, 2))
    sums = chain.op("CumSum", before, np.array(1), shape=(rows, columns // 2, 2))
    sums = chain.reshape(sums, (rows, columns))
    shifted = chain.op("Mod", sums, np.array(2, np.int32), shape=(rows, columns))
    signs = chain.op("Sign", indices, shape=(rows, columns))
    shift = chain.op("Mul", shifted, signs, shape=(rows, columns))
    twice = chain.op("Add", indices, indices, shape=(rows, columns))
    integers = chain.op("Sub", twice, shift, shape=(rows, columns))
    weights = chain.cast(integers, ir.DataType.INT8)
    weights = chain.reshape(weights, shape)
    weights = chain.op("Gather", weights, places, shape=shape, axis=1)
    if not rows_first:
        chain.op("Transpose", weights, shape=(columns, rows), perm=[1, 0])
    chain.insert()


class _Chain:
    """The nodes that unpack the weights which a DequantizeLinear reads, in running order."""

    def __init__(self, model: ir.Model, dequantize: ir.Node) -> None:
        self._model = model
        self._dequantize = dequantize
        self._name = str(dequantize.inputs[0].name)  # type: ignore[union-attr]
        self._nodes: list[ir.Node] = []

    def plain(self, values: Array, dtype: ir.DataType) -> ir.Value:
        """Stores values one in a byte."""
        return self.cast(self._stored(values.astype(np.int8)), dtype)

    def unpack(self, values: Array, levels: Array, dtype: ir.DataType) -> ir.Value:
        """Stores values of these levels, two in a byte, and gives them back in their shape."""
        places = np.searchsorted(levels, values.reshape(-1)).astype(np.uint8)
        if len(places) % 2:
            places = np.append(places, np.uint8(np.searchsorted(levels, 0)))
        pairs = places.reshape(-1, 2)
        packed = self._stored((pairs[:, 0] << 4) | pairs[:, 1])
        codes = np.arange(len(levels) << 4)
        second = np.minimum(codes & 15, len(levels) - 1)
        table = np.stack([levels[codes >> 4], levels[second]], axis=1).astype(dtype.numpy())
        indices = self.cast(packed, ir.DataType.INT32)
        unpacked = self.op("Gather", table, indices, shape=pairs.shape, dtype=dtype, axis=0)
        if values.size % 2:
            flat = self.reshape(unpacked, (pairs.size,))
            ends = np.array([0]), np.array([values.size])
            unpacked = self.op("Slice", flat, *ends, shape=(values.size,))
        return self.reshape(unpacked, values.shape)

    def op(
        self,
        kind: str,
        *inputs: ir.Value | Array,
        shape: Sequence[int],
        dtype: ir.DataType | None = None,
        **attributes: int | Sequence[int],
    ) -> ir.Value:
        """One more node; by default it gives what its first input holds."""
        read = [x if isinstance(x, ir.Value) else self._constant(x) for x in inputs]
        node = ir.node(kind, read, attributes, name=f"{self._name}_{len(self._nodes)}")
        self._nodes.append(node)
        value = node.outputs[0]
        value.name, value.shape = node.name, ir.Shape(shape)
        value.type = ir.TensorType(dtype or read[0].dtype or ir.DataType.UNDEFINED)
        return value

    def reshape(self, value: ir.Value, shape: Sequence[int]) -> ir.Value:
        """The value in another shape."""
        return self.op("Reshape", value, np.array(shape, np.int64), shape=shape)

    def cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        """The value in another type."""
        assert value.shape is not None
        return self.op("Cast", value, shape=value.shape.numpy(), dtype=dtype, to=dtype)

    def insert(self) -> None:
        """Lets the DequantizeLinear read what came last."""
        insert_before(self._model, self._dequantize, 0, self._nodes)

    def _stored(self, array: Array) -> ir.Value:
        return set_constant(self._model, self._dequantize, 0, array)

    def _constant(self, array: Array) -> ir.Value:
        """An initialiser; layers share those that are small and equal."""
        if array.size > _SHARED:
            return add_initializer(self._model, f"{self._name}_{len(self._nodes)}_by", array)
        name = "_".join(["packing", array.dtype.name, *map(str, array.reshape(-1))])
        if array.ndim == 0:
            name += "_scalar"
        found = self._model.graph.initializers.get(name)
        return add_initializer(self._model, name, array) if found is None else found
