"""Quantum kernels as ordinary ONNX graphs."""
