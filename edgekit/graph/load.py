"""Loads an ONNX file into a form that the rest of edgekit can rely on."""

from pathlib import Path

import onnx
import onnx_ir as ir
import onnxslim
from google.protobuf.message import DecodeError
from onnx import checker, shape_inference, version_converter

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import IR_VERSION, OPSET

_STANDARD_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")


def load_onnx(path: Path) -> onnx.ModelProto:
    """Reads and checks an ONNX file, and changes nothing in it but its external data's place.

    Raises:
        InputError: there is no such file.
        UnsupportedModel: it is damaged, not ONNX, or has an operator from outside the standard.
    """
    if not path.is_file():
        raise InputError(f"{path}: {'not a file' if path.exists() else 'no such file'}")
    try:
        model = onnx.load(path)
    except (DecodeError, ValueError, OSError, checker.ValidationError) as error:
        raise UnsupportedModel(
            f"{path}: not a readable ONNX model: {_first_line(error)}"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise UnsupportedModel(f"{path}: not an ONNX model: no graph in it; is the file whole?")
    for node in model.graph.node:
        if node.domain not in _STANDARD_DOMAINS:
            raise UnsupportedModel(
                f"{path}: node {node.name or node.output[0]!r} uses the operator "
                f"{node.domain}::{node.op_type}, which is not a standard one; "
                "export the model without custom operators"
            )
    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        raise UnsupportedModel(f"{path}: not a valid ONNX model: {_first_line(error)}") from error
    return model


def canonical(model: onnx.ModelProto, *, where: str) -> ir.Model:
    """The same function in edgekit's terms: one image of everything later passes may assume.

    Initialisers are no inputs, the opset is at least `edgekit.graph.build.OPSET`, a dynamic
    batch is 1, constants are folded, shapes are known, and BatchNormalization, Dropout and
    Identity are gone where they can be.

    Raises:
        UnsupportedModel: the model cannot be brought to that form; says why.
    """
    model = _with_modern_opset(model, where)
    _set_batch_to_one(model)
    try:
        model = onnxslim.slim(model)
        model = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # onnxslim and onnx raise whatever the model makes them trip over
        raise UnsupportedModel(f"{where}: cannot be simplified: {_first_line(error)}") from error
    dynamic = [
        value.name
        for value in model.graph.input
        if any(not axis.dim_value for axis in value.type.tensor_type.shape.dim)
    ]
    if dynamic:
        raise UnsupportedModel(
            f"{where}: the input {dynamic[0]!r} has dynamic axes besides the batch; "
            "export the model with a fixed input shape"
        )
    return ir.from_proto(model)


def _with_modern_opset(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Raises the opset; the converter wants a modern IR and initialisers that are no inputs."""
    modern = onnx.ModelProto()
    modern.CopyFrom(model)
    modern.ir_version = max(model.ir_version, IR_VERSION)
    initialisers = {tensor.name for tensor in modern.graph.initializer}
    inputs = [value for value in modern.graph.input if value.name not in initialisers]
    del modern.graph.input[:]
    modern.graph.input.extend(inputs)
    opset = next(
        (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0
    )
    if opset >= OPSET:
        return modern
    try:
        return version_converter.convert_version(modern, OPSET)
    except Exception as error:  # the converter is C++ and throws RuntimeError and others
        raise UnsupportedModel(
            f"{where}: cannot be raised from opset {opset} to {OPSET}: {_first_line(error)}"
        ) from error


def _set_batch_to_one(model: onnx.ModelProto) -> None:
    for value in [*model.graph.input, *model.graph.output]:
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].dim_value:
            axes[0].Clear()
            axes[0].dim_value = 1
    del model.graph.value_info[:]


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
