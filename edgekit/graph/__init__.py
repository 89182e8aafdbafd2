"""ONNX graphs: loading, building, rewriting, checking and describing them."""
