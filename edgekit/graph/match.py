"""Questions about a graph: who makes a value, who reads it, what is constant."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array

LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "LSTM", "GRU", "RNN")
"""The operators whose inputs from the second on are weights, where they are constant."""


def is_op(node: ir.Node | None, *kinds: str) -> bool:
    """Whether a node is a standard operator of one of these kinds."""
    return node is not None and node.domain in ("", "ai.onnx") and node.op_type in kinds


def only_reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, if there is just one and the value is no graph output."""
    readers = {node for node, _ in value.uses()}
    if len(readers) != 1 or value.is_graph_output():
        return None
    return readers.pop()


def only_producer(value: ir.Value | None, *kinds: str) -> ir.Node | None:
    """The node of one of these kinds that makes a value which one node reads, once.

    `None` where the value is public, read again, or made by another kind of node.
    """
    if value is None or len(value.uses()) != 1 or value.is_graph_output():
        return None
    node = value.producer()
    return node if node is not None and is_op(node, *kinds) else None


def constant(value: ir.Value | None) -> Array | None:
    """The array behind an initialiser that is no input, else `None`."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return np.asarray(value.const_value.numpy())


def constants(values: Sequence[ir.Value | None]) -> list[Array] | None:
    """The arrays behind all of these initialisers, or `None` where one is not constant."""
    arrays = [constant(value) for value in values]
    return None if any(array is None for array in arrays) else [a for a in arrays if a is not None]


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """An input that may be missing."""
    return node.inputs[index] if index < len(node.inputs) else None


def static_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    """A shape whose axes are all known numbers."""
    if value is None or value.shape is None:
        return None
    axes = [axis for axis in value.shape if isinstance(axis, int)]
    return tuple(axes) if len(axes) == len(value.shape) else None


def ints_of(node: ir.Node, name: str) -> list[int] | None:
    """An integer-list attribute, or `None` where the node leaves it to its default."""
    attribute = node.attributes.get(name)
    return None if attribute is None else [int(number) for number in attribute.as_ints()]


def int_of(node: ir.Node, name: str, default: int) -> int:
    """An integer attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else int(attribute.as_int())


def float_of(node: ir.Node, name: str, default: float) -> float:
    """A number attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else float(attribute.as_float())


def string_of(node: ir.Node, name: str, default: str) -> str:
    """A text attribute."""
    attribute = node.attributes.get(name)
    return default if attribute is None else str(attribute.as_string())
