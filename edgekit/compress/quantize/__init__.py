"""Turns a float graph into one of small integers."""

from edgekit.compress.quantize.quantizer import quantize

__all__ = ["quantize"]
