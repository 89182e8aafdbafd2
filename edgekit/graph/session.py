"""Opens a graph in ONNX Runtime without writing its weights into a file first."""

import numpy as np
import onnx_ir as ir
import onnxruntime as ort

from edgekit.errors import UnsupportedModel
from edgekit.graph.shapes import BIG_BYTES, proto_without_weights

_SHARED = (
    ir.DataType.FLOAT,
    ir.DataType.DOUBLE,
    ir.DataType.FLOAT16,
    ir.DataType.INT8,
    ir.DataType.UINT8,
    ir.DataType.INT32,
    ir.DataType.INT64,
)
"""Types that NumPy has too: an array of them is handed over as it lies in memory."""
_UNFAITHFUL = ["WeightBiasQuantization"]
"""Gives float weights 8 bits where a layer reads a DequantizeLinear: not what the graph says."""


def open_session(
    model: ir.Model, *, threads: int = 1, fuse_quantized: bool = True, optimize: bool = True
) -> ort.InferenceSession:
    """A session on the CPU that reads the model's big weights where they are, whatever their size.

    Args:
        model: must not be changed in place while the session lives.
        threads: how many compute.
        fuse_quantized: whether DequantizeLinear -> operator -> QuantizeLinear may be computed in
            integers. Without, it is computed in float, as the graph says.
        optimize: whether the graph may be optimised at all.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if not fuse_quantized:
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    shared = {
        str(value.name): ort.OrtValue.ortvalue_from_numpy(
            np.asarray(value.const_value.numpy(), order="C")
        )
        for value in model.graph.initializers.values()
        if value.const_value is not None
        and _is_shared(value.const_value)
        and not value.is_graph_input()
    }
    try:
        proto = proto_without_weights(model, only=shared)
        options.add_external_initializers(list(shared), list(shared.values()))
        return ort.InferenceSession(
            proto.SerializeToString(),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_UNFAITHFUL,
        )
    except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
        text = " ".join(str(error).split())[:300]
        raise UnsupportedModel(f"ONNX Runtime cannot load the model: {text}") from error


def _is_shared(tensor: ir.TensorProtocol) -> bool:
    is_elsewhere = isinstance(tensor, ir.ExternalTensor)
    return tensor.dtype in _SHARED and (is_elsewhere or tensor.nbytes > BIG_BYTES)
