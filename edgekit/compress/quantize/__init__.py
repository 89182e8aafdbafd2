"""Turns a float graph into one of small integers."""

from edgekit.compress.quantize.onnxruntime_static import quantize

__all__ = ["quantize"]
