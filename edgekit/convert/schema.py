"""The TFLite flatbuffer schema: the only module that knows which package it comes from.

The tables are those of tensorflow/compiler/mlir/lite/schema/schema.fbs, as ai-edge-litert ships
them in Python.
"""

from typing import Any, TypeAlias

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as generated

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
ALIGNMENT = 16

OPTIONS: dict[str, tuple[str, ...]] = {
    "Add": ("fusedActivationFunction",),
    "ArgMax": ("outputType",),
    "BatchMatMul": ("adjX", "adjY"),
    "Cast": ("inDataType", "outDataType"),
    "Concatenation": ("axis",),
    "Conv2D": (
        "padding", "strideH", "strideW", "dilationHFactor", "dilationWFactor",
        "fusedActivationFunction",
    ),
    "DepthToSpace": ("blockSize",),
    "DepthwiseConv2D": (
        "padding", "strideH", "strideW", "dilationHFactor", "dilationWFactor",
        "fusedActivationFunction", "depthMultiplier",
    ),
    "Div": ("fusedActivationFunction",),
    "FullyConnected": ("fusedActivationFunction", "keepNumDims"),
    "Gather": ("axis",),
    "Gelu": ("approximate",),
    "LeakyRelu": ("alpha",),
    "MirrorPad": ("mode",),
    "Mul": ("fusedActivationFunction",),
    "Pack": ("valuesCount", "axis"),
    "Pool2D": ("padding", "strideH", "strideW", "filterHeight", "filterWidth"),
    "Reducer": ("keepDims",),
    "Reshape": ("newShape",),
    "ResizeBilinear": ("alignCorners", "halfPixelCenters"),
    "ResizeNearestNeighbor": ("alignCorners", "halfPixelCenters"),
    "Softmax": ("beta",),
    "SpaceToDepth": ("blockSize",),
    "Split": ("numSplits",),
    "StridedSlice": ("beginMask", "endMask"),
    "Sub": ("fusedActivationFunction",),
    "TransposeConv": ("padding", "strideH", "strideW"),
    "Unpack": ("num", "axis"),
}  # fmt: skip
"""Each table of operator options that edgekit fills in, and the fields it sets."""

DTYPES: dict[np.dtype[Any], str] = {
    np.dtype(np.float32): "FLOAT32",
    np.dtype(np.float16): "FLOAT16",
    np.dtype(np.int8): "INT8",
    np.dtype(np.uint8): "UINT8",
    np.dtype(np.int32): "INT32",
    np.dtype(np.int64): "INT64",
    np.dtype(np.bool_): "BOOL",
}

Options: TypeAlias = tuple[int, Any]
"""The type of an options table, and the table."""

NO_OPTIONS: Options = (0, None)

ModelT = generated.ModelT
SubGraphT = generated.SubGraphT
TensorT = generated.TensorT
OperatorT = generated.OperatorT
OperatorCodeT = generated.OperatorCodeT
QuantizationParametersT = generated.QuantizationParametersT
SignatureDefT = generated.SignatureDefT
TensorMapT = generated.TensorMapT
MetadataT = generated.MetadataT


class AlignedBufferT(generated.BufferT):  # type: ignore[misc]
    """A buffer whose bytes start at a multiple of 16, as the schema's `force_align` wants.

    The generated packer aligns bytes to 1, and copies them one by one.
    """

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802 - the generated name
        """Appends the buffer; returns its offset."""
        data = None
        if self.data is not None:
            builder.StartVector(1, len(self.data), ALIGNMENT)
            builder.head -= len(self.data)
            builder.Bytes[builder.head : builder.head + len(self.data)] = self.data
            data = builder.EndVector()
        generated.BufferStart(builder)
        if data is not None:
            generated.BufferAddData(builder, data)
        return int(generated.BufferEnd(builder))


def options(kind: str, **fields: Any) -> Options:
    """A table of operator options, by its name in `OPTIONS`."""
    table = getattr(generated, f"{kind}OptionsT")()
    for name, value in fields.items():
        if name not in OPTIONS[kind]:
            raise ValueError(f"{kind} sets {name}, which OPTIONS does not list")
        setattr(table, name, value)
    return getattr(generated.BuiltinOptions, f"{kind}Options"), table


def unfused(kind: str) -> Options:
    """A table of options that says only that no activation is fused."""
    return options(kind, fusedActivationFunction=activation("NONE"))


def operator_code(name: str) -> int:
    """The number of a built-in operator, such as `CONV_2D`."""
    return int(getattr(generated.BuiltinOperator, name))


def operator_names() -> dict[int, str]:
    """What each built-in operator is called, by its number."""
    known = vars(generated.BuiltinOperator)
    return {number: name for name, number in known.items() if isinstance(number, int)}


def activation(name: str) -> int:
    """The number of a fused activation: `NONE`, `RELU`, `RELU6`, `RELU_N1_TO_1`."""
    return int(getattr(generated.ActivationFunctionType, name))


def padding(name: str) -> int:
    """The number of a padding scheme: `SAME` or `VALID`."""
    return int(getattr(generated.Padding, name))


def mirror_mode(name: str) -> int:
    """The number of a way to mirror: `REFLECT` or `SYMMETRIC`."""
    return int(getattr(generated.MirrorPadMode, name))


def tensor_type(dtype: npt.DTypeLike) -> int:
    """The number of an element type."""
    return int(getattr(generated.TensorType, DTYPES[np.dtype(dtype)]))


def pack(model: Any, size_hint: int) -> bytes:
    """The bytes of a model: the same for the same model, always."""
    builder = flatbuffers.Builder(size_hint)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def unpack(data: bytes) -> Any:
    """The model in the bytes of a TFLite file, as a `ModelT`."""
    return ModelT.InitFromPackedBuf(data)
