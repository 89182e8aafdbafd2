"""ONNX to TFLite, without TensorFlow."""

from typing import Literal, get_args

import onnx_ir as ir

from edgekit import __version__
from edgekit.convert.check import require_agreement
from edgekit.convert.graph import prepared
from edgekit.convert.lowering import Lowering
from edgekit.convert.operators import RULES
from edgekit.errors import InputError

Weights = Literal["float32", "float16"]


def to_tflite(model: ir.Model, *, weights: Weights = "float32", check: bool = True) -> bytes:
    """The TFLite form of an ONNX model: the same function, with the same signature.

    Activations lie channels last, as TFLite's kernels want them. What is between QuantizeLinear
    and DequantizeLinear nodes is computed in int8 with their scales; the rest in float32.

    Args:
        model: float or QDQ, opset 13 or later, with fixed shapes; left as it is.
        weights: how to store the weights of layers that compute in float. Half precision halves
            the file, and LiteRT widens it at load.
        check: run the result in LiteRT, and compare it with onnxruntime.

    Returns:
        The file's bytes, the same for the same model.

    Raises:
        InputError: `weights` is neither.
        UnsupportedModel: an operator, or what a node asks of it, has no form in TFLite; or the
            result disagrees with onnxruntime.
    """
    if weights not in get_args(Weights):
        raise InputError(f"weights are {' or '.join(get_args(Weights))}, not {weights!r}")
    lowering = Lowering(prepared(model), RULES, weights=weights)
    data = lowering.run({"edgekit_version": __version__})
    if check:
        require_agreement(model, data, half_weights=weights == "float16")
    return data
