"""Static INT8 by ONNX Runtime's own quantiser: QDQ, uint8 activations, per-channel int8 weights."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import onnx
import onnx_ir as ir
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from edgekit.array import Array
from edgekit.compress.progress import Progress, Silent
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op, only_reader

_QUANTIZED = (
    "Add", "AveragePool", "Clip", "Concat", "Conv", "ConvTranspose", "Flatten", "Gemm",
    "GlobalAveragePool", "LeakyRelu", "MatMul", "MaxPool", "Mul", "Pad", "Relu", "Reshape",
    "Resize", "Split", "Squeeze", "Transpose", "Unsqueeze",
)  # fmt: skip


def quantize(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    full_range: bool = False,
    keep: Mapping[str, str] = MappingProxyType({}),
    progress: Progress | None = None,
) -> ir.Model:
    """The model with its linear algebra in 8-bit integers.

    Jacob et al., 2018, arXiv:1712.05877. Softmax, Sigmoid and whatever else is not linear algebra
    or its plumbing stays in float, so that scores keep their resolution.

    Args:
        model: in canonical form, with one input; left as it is.
        tensors: to read the ranges of activations from.
        full_range: use all 8 bits of the weights. Without it they have 7, and no x86 CPU
            saturates: those without VNNI add pairs of products in 16 bits, and full-range
            weights overflow them. ARM CPUs are right either way.
        keep: names of nodes to leave in float.
        progress: shows how far this is.

    Raises:
        UnsupportedModel: the quantiser cannot do it, or `keep` names a node that is not there.
    """
    unknown = set(keep) - {node.name for node in model.graph}
    if unknown:
        raise UnsupportedModel(f"has no node {sorted(map(str, unknown))[0]!r} to keep")
    progress = progress or Silent()
    inputs = progress.track(tensors, "calibrating", total=len(tensors))
    source = ir.to_proto(model)
    pixels = _pixels_as_float(model)
    exact = {
        "quant_type": QuantType.QUInt8,
        "scale": np.array(1, np.float32),
        "zero_point": np.array(0, np.uint8),
    }
    overrides = {pixels: [exact]} if pixels else {}
    with TemporaryDirectory() as folder, _without_warnings():
        path = Path(folder) / "int8.onnx"
        try:
            quantize_static(
                source,
                path,
                _Reader(source.graph.input[0].name, inputs),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(_QUANTIZED),
                per_channel=True,
                reduce_range=not full_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                nodes_to_exclude=list(keep),
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"TensorQuantOverrides": overrides},
            )
        except Exception as error:  # it raises whatever the model makes it trip over
            raise UnsupportedModel(f"cannot be quantised: {error}") from error
        quantized = ir.from_proto(onnx.load(path))
    _read_pixels_as_they_are(quantized)
    return quantized


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, name: str, inputs: Iterator[Array]) -> None:
        self._name = name
        self._inputs = inputs

    def get_next(self) -> dict[str, Array] | None:
        tensor = next(self._inputs, None)
        return None if tensor is None else {self._name: tensor}


def _pixels_as_float(model: ir.Model) -> str | None:
    """The value that is the uint8 input as float, with nothing done to its numbers."""
    value = model.graph.inputs[0]
    if value.dtype != ir.DataType.UINT8:
        return None
    reader = only_reader(value)
    if is_op(reader, "Transpose"):
        reader = only_reader(reader.outputs[0])  # type: ignore[union-attr]
    return reader.outputs[0].name if is_op(reader, "Cast") else None  # type: ignore[union-attr]


def _read_pixels_as_they_are(model: ir.Model) -> None:
    """Takes out the Cast to float and the QuantizeLinear that turns it back into the same uint8."""
    value = model.graph.inputs[0]
    reader = only_reader(value)
    if is_op(reader, "Transpose"):
        value = reader.outputs[0]  # type: ignore[union-attr]
        reader = only_reader(value)
    if reader is None or not is_op(reader, "Cast"):
        return
    quantize = only_reader(reader.outputs[0])
    if quantize is None or not is_op(quantize, "QuantizeLinear"):
        return
    ir.convenience.replace_all_uses_with(quantize.outputs[0], value)
    model.graph.remove([quantize, reader], safe=True)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """The quantiser gives advice on the root logger that its caller has already followed."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
