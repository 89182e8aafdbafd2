"""Collects the tensors and operators of a TFLite model, and gives its bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.quantization import Grid
from edgekit.convert.versions import VERSIONS, Version, newest

SIGNATURE = "serving_default"
_RUNTIME_BYTES = 16


@dataclass(frozen=True)
class Tensor:
    """A tensor of the model being written."""

    index: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grid: Grid | None = None


class Writer:
    """A TFLite model of one graph. Equal constants are stored once."""

    def __init__(self, reserved_names: Iterable[str]) -> None:
        """Starts empty; `reserved_names` are those of the model's inputs and outputs."""
        self._buffers = [schema.AlignedBufferT()]
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[tuple[str, Version], int] = {}
        self._constants: dict[tuple[object, ...], Tensor] = {}
        self._names = set(reserved_names)
        self._named: set[int] = set()

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        dtype: npt.DTypeLike,
        grid: Grid | None = None,
    ) -> Tensor:
        """A tensor that an operator or the caller will fill."""
        return self._add(name, tuple(shape), np.dtype(dtype), grid, buffer=0)

    def constant(self, name: str, array: Array, grid: Grid | None = None) -> Tensor:
        """A tensor with numbers in it; the one that is there already if these are."""
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        key = (array.shape, array.dtype.str, data, grid)
        if key not in self._constants:
            buffer = schema.AlignedBufferT()
            buffer.data = data
            self._buffers.append(buffer)
            self._constants[key] = self._add(
                name, array.shape, array.dtype, grid, buffer=len(self._buffers) - 1
            )
        return self._constants[key]

    def name(self, tensor: Tensor, name: str) -> None:
        """Names a tensor for good, unless it was named before or another has the name."""
        if name not in self._names and tensor.index not in self._named:
            self._names.add(name)
            self._named.add(tensor.index)
            self._tensors[tensor.index].name = name

    def operator(
        self,
        code: str,
        inputs: Sequence[Tensor | None],
        outputs: Sequence[Tensor],
        options: schema.Options = schema.NO_OPTIONS,
        version: Version | None = None,
    ) -> None:
        """Appends an operator: its TFLite name, what it reads and what it fills."""
        is_integer = any(tensor is not None and tensor.dtype == np.int8 for tensor in inputs)
        version = version or VERSIONS[code][is_integer]
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        operator.inputs = [-1 if tensor is None else tensor.index for tensor in inputs]
        operator.outputs = [tensor.index for tensor in outputs]
        operator.builtinOptionsType, operator.builtinOptions = options
        self._operators.append(operator)

    def finish(
        self,
        inputs: Mapping[str, Tensor],
        outputs: Mapping[str, Tensor],
        metadata: Mapping[str, str],
    ) -> bytes:
        """The model's bytes; inputs and outputs have their names as tensors and in the signature.

        The metadata gets `min_runtime_version` too: the first release with every operator in it.
        """
        for name, tensor in [*inputs.items(), *outputs.items()]:
            self._tensors[tensor.index].name = name
        graph = schema.SubGraphT()
        graph.name = "main"
        graph.tensors = self._tensors
        graph.operators = self._operators
        graph.inputs = [tensor.index for tensor in inputs.values()]
        graph.outputs = [tensor.index for tensor in outputs.values()]
        model = schema.ModelT()
        model.version = schema.SCHEMA_VERSION
        model.description = "edgekit"
        model.subgraphs = [graph]
        model.operatorCodes = [_operator_code(code, version) for code, version in self._codes]
        model.signatureDefs = [_signature(inputs, outputs)]
        runtime = newest([version.runtime for _, version in self._codes])
        padded = runtime.ljust(_RUNTIME_BYTES, "\0")
        model.metadata = [
            self._metadata(name, text)
            for name, text in {"min_runtime_version": padded, **metadata}.items()
        ]
        model.buffers = self._buffers
        size = sum(len(buffer.data or b"") + 64 for buffer in self._buffers)
        return schema.pack(model, size + 256 * (len(self._tensors) + len(self._operators)) + 4096)

    def _add(
        self,
        name: str,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        grid: Grid | None,
        *,
        buffer: int,
    ) -> Tensor:
        table = schema.TensorT()
        table.name = self._unused(name)
        table.shape = [int(size) for size in shape]
        table.hasRank = True
        table.type = schema.tensor_type(dtype)
        table.buffer = buffer
        if grid is not None:
            table.quantization = _quantization(grid, shifted=dtype == np.uint8)
        self._tensors.append(table)
        return Tensor(len(self._tensors) - 1, tuple(shape), dtype, grid)

    def _unused(self, name: str) -> str:
        unused, number = name, 1
        while unused in self._names:
            unused, number = f"{name}_{number}", number + 1
        self._names.add(unused)
        return unused

    def _metadata(self, name: str, text: str) -> Any:
        buffer = schema.AlignedBufferT()
        buffer.data = text.encode()
        self._buffers.append(buffer)
        entry = schema.MetadataT()
        entry.name = name
        entry.buffer = len(self._buffers) - 1
        return entry


def _quantization(grid: Grid, *, shifted: bool) -> Any:
    table = schema.QuantizationParametersT()
    table.scale = np.array(grid.scales, np.float32)
    zero_points = np.array(grid.zero_points, np.int64) + (128 if shifted else 0)
    table.zeroPoint = np.broadcast_to(zero_points, table.scale.shape).copy()
    table.quantizedDimension = grid.axis
    return table


def _operator_code(code: str, version: Version) -> Any:
    table = schema.OperatorCodeT()
    table.builtinCode = schema.operator_code(code)
    table.deprecatedBuiltinCode = min(table.builtinCode, 127)
    table.version = version.number
    return table


def _signature(inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> Any:
    table = schema.SignatureDefT()
    table.signatureKey = SIGNATURE
    table.inputs = [_tensor_map(name, tensor) for name, tensor in inputs.items()]
    table.outputs = [_tensor_map(name, tensor) for name, tensor in outputs.items()]
    return table


def _tensor_map(name: str, tensor: Tensor) -> Any:
    table = schema.TensorMapT()
    table.name = name
    table.tensorIndex = tensor.index
    return table
