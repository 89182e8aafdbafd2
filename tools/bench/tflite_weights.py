"""Reads the weights out of a float TFLite file, so that they can be put into a net of the zoo."""

from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from edgekit.zoo.mlperf_tiny import Weights

_TO_ONNX = {
    "CONV_2D": (0, 3, 1, 2),
    "DEPTHWISE_CONV_2D": (3, 0, 1, 2),
    "FULLY_CONNECTED": (1, 0),
}


def tflite_weights(path: Path) -> Weights:
    """Weights and bias of each Conv and dense layer, in the order in which they are run."""
    interpreter = Interpreter(str(path))
    weights = []
    for operator in interpreter._get_ops_details():
        if operator["op_name"] in _TO_ONNX:
            weight, bias = (interpreter.get_tensor(int(i)) for i in operator["inputs"][1:3])
            weights.append((weight.transpose(_TO_ONNX[operator["op_name"]]), bias))
    return weights
