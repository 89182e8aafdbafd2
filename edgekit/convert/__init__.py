"""Writes models in other formats: TFLite, directly from an ONNX graph."""

from edgekit.convert.tflite import to_tflite as to_tflite
