"""Compiles the halves of split networks, and tries them in one process."""

from edgekit.federated.vertical.compiling import compile_bottom, compile_top

__all__ = ["compile_bottom", "compile_top"]
