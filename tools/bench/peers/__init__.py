"""Other tools that compress ONNX files, each run as a process of its own."""
