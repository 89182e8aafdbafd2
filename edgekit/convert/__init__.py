"""Writes models in other formats: TFLite, directly from an ONNX graph."""

from edgekit.convert.file import Converted as Converted
from edgekit.convert.file import convert_file as convert_file
from edgekit.convert.tflite import to_tflite as to_tflite
