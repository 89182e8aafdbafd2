"""Reads a TFLite file into plain tensors and operators."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.errors import UnsupportedModel

_DTYPES = {schema.tensor_type(dtype): dtype for dtype in schema.DTYPES}
_OPERATORS = schema.operator_names()


@dataclass(frozen=True)
class Tensor:
    """A tensor of the file.

    Attributes:
        index: its place in the file.
        name: what the file calls it, for errors only.
        shape: without dynamic axes.
        dtype: of its elements.
        scales: float32, one or one a channel; empty where it holds real numbers.
        zero_points: as many, or one.
        data: its numbers where it is a constant.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scales: Array
    zero_points: Array
    data: Array | None = None

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def is_int8(self) -> bool:
        """Whether it is int8 on one grid."""
        return self.dtype == np.int8 and len(self.scales) == 1

    @property
    def scale(self) -> np.float32:
        """The only scale."""
        return np.float32(self.scales[0])

    @property
    def zero_point(self) -> int:
        """The only zero point."""
        return int(self.zero_points[0])


@dataclass(frozen=True)
class Operator:
    """An operator of the file: `-1` is an input that is left out."""

    code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any

    def unsupported(self, why: str, advice: str) -> UnsupportedModel:
        """The error for what this operator asks and C cannot give."""
        return UnsupportedModel(f"{self.code} {why} has no form in C: {advice}")


@dataclass(frozen=True)
class Network:
    """The only graph of a file."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def maker(self, index: int) -> Operator | None:
        """The operator that gives a tensor."""
        return next((op for op in self.operators if index in op.outputs), None)


def read_network(data: bytes) -> Network:
    """The graph in a TFLite file.

    Raises:
        UnsupportedModel: it cannot be read, has several graphs, or a shape that is not fixed.
    """
    try:
        model = schema.unpack(data)
        codes = [
            _OPERATORS.get(max(code.builtinCode, code.deprecatedBuiltinCode), "an operator")
            for code in model.operatorCodes
        ]
        if len(model.subgraphs) != 1:
            raise UnsupportedModel("has several graphs; C export reads models of one")
        graph = model.subgraphs[0]
        return Network(
            tuple(_tensor(model, index, table) for index, table in enumerate(graph.tensors)),
            tuple(
                Operator(
                    codes[table.opcodeIndex],
                    tuple(map(int, _listed(table.inputs))),
                    tuple(map(int, _listed(table.outputs))),
                    table.builtinOptions,
                )
                for table in graph.operators
            ),
            tuple(map(int, graph.inputs)),
            tuple(map(int, graph.outputs)),
        )
    except UnsupportedModel:
        raise
    except Exception as error:  # the generated reader checks nothing, so anything may come
        raise UnsupportedModel(f"not a readable TFLite model: {error}") from error


def _tensor(model: Any, index: int, table: Any) -> Tensor:
    shape = tuple(int(axis) for axis in _listed(table.shape))
    name = (table.name or b"").decode("utf-8", "replace")
    if min(shape, default=1) < 1:
        raise UnsupportedModel(f"the tensor {name!r} has no fixed shape; C export needs one")
    dtype = np.dtype(_DTYPES.get(table.type, np.float64))
    quantization = table.quantization
    scales = [] if quantization is None else _listed(quantization.scale)
    points = [] if quantization is None else _listed(quantization.zeroPoint)
    stored = model.buffers[table.buffer].data
    data = None
    if stored is not None and len(stored):
        data = np.frombuffer(bytes(bytearray(stored)), dtype.newbyteorder("<")).reshape(shape)
    return Tensor(
        index,
        name,
        shape,
        dtype,
        np.array(scales, np.float32),
        np.array(points if len(points) else [0], np.int64),
        data,
    )


def _listed(values: Any) -> list[Any]:
    return [] if values is None else list(values)
