"""Decides which values of a graph become uint8, and which of them share a scale.

The form is what onnxruntime fuses whole (ONNX operators between a DequantizeLinear and a
QuantizeLinear) and what TFLite's kernels demand: a Concat's inputs share one scale, operators that
only move values keep theirs, and squashing functions have the scale that their range implies.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.compress.layers import is_layer
from edgekit.compress.quantize.ranges import Scale
from edgekit.graph.match import constant, input_of, is_op, only_reader, string_of

_LAYERS = ("Conv", "Gemm", "MatMul")
_ARITHMETIC = (*_LAYERS, "Add", "GlobalAveragePool", "LeakyRelu", "Mul", "Sub")
_POOLS = ("AveragePool", "GlobalMaxPool", "MaxPool")
_REARRANGES = (
    "Concat", "DepthToSpace", "Flatten", "Reshape", "Slice", "Split", "Squeeze", "Transpose",
    "Unsqueeze",
)  # fmt: skip
_SQUASHES = {
    "Sigmoid": Scale(1 / 256, 0),
    "Softmax": Scale(1 / 256, 0),
    "Tanh": Scale(1 / 128, 128),
}
_CLAMPS = ("Relu", "Clip")
PIXELS = Scale(1.0, 0)
"""A picture's bytes are their own integers."""


@dataclass(frozen=True)
class Plan:
    """Which values become integers.

    Attributes:
        groups: names of values that share one scale, in the order of the graph.
        fixed: the scale of values whose scale is given by what makes them.
        clamped: the least and the greatest that the last part of integer arithmetic lets through,
            by the name of what it gives.
        nodes: the names of the nodes that will compute with integers.
    """

    groups: tuple[tuple[str, ...], ...]
    fixed: Mapping[str, Scale]
    clamped: Mapping[str, tuple[float, float]]
    nodes: frozenset[str | None]


def plan_activations(model: ir.Model, *, keep: frozenset[str] = frozenset()) -> Plan:
    """Which values of a float graph become uint8.

    Args:
        model: in canonical form, every node named.
        keep: names of nodes that stay in float.
    """
    pixels = pixels_as_float(model)
    groups = _Groups()
    fixed: dict[str, Scale] = {}
    clamped: dict[str, tuple[float, float]] = {}
    nodes: set[str | None] = set()
    for node in model.graph:
        is_part = _is_part_of(node, nodes)
        if node.name in keep or not (is_part or _becomes_integer(node, groups)):
            continue
        nodes.add(node.name)
        reads = [value for value in node.inputs if _is_float(value) and constant(value) is None]
        gives = [value for value in node.outputs if _is_float(value)]
        if is_part:
            reads = []
            clamped[_name(node.outputs[0])] = _bounds(node)
        if _is_clamped(node) or _gives_logits(node):
            gives = []
        for value in [*reads, *gives]:
            groups.add(_name(value))
        if _moves(node):
            groups.join([_name(value) for value in [*reads, *gives]])
        if node.op_type in _SQUASHES:
            fixed[_name(node.outputs[0])] = _SQUASHES[node.op_type]
    if pixels is not None and pixels in groups:
        fixed[pixels] = PIXELS
    return Plan(groups.all(), fixed, clamped, frozenset(nodes))


def pixels_as_float(model: ir.Model) -> str | None:
    """The value that is the uint8 input as float, with nothing done to its numbers."""
    value = model.graph.inputs[0]
    if value.dtype != ir.DataType.UINT8:
        return None
    reader = only_reader(value)
    if reader is not None and is_op(reader, "Transpose"):
        reader = only_reader(reader.outputs[0])
    return _name(reader.outputs[0]) if reader is not None and is_op(reader, "Cast") else None


def _becomes_integer(node: ir.Node, groups: "_Groups") -> bool:
    if not _is_float(node.outputs[0]):
        return False
    if is_op(node, *_LAYERS):
        return is_layer(node)
    if _is_last_word(node.outputs[0]):
        return False
    if is_op(node, *_ARITHMETIC, *_SQUASHES, *_CLAMPS) or _moves(node):
        return any(_name(value) in groups for value in node.inputs)
    return False


def _moves(node: ir.Node) -> bool:
    """Whether what a node gives is among what it reads, or a mean of it: the scale stays."""
    if is_op(node, "Resize"):
        return string_of(node, "mode", "nearest") == "nearest"
    return is_op(node, *_POOLS, *_REARRANGES)


def _is_last_word(value: ir.Value) -> bool:
    """Whether nothing but reshaping and squashing separates a value from the model's outputs.

    Answers keep their resolution: of a thousand classes, the best two are often on one of 256
    levels.
    """
    if value.is_graph_output():
        return True
    readers = [node for node, _ in value.uses()]
    return all(
        is_op(node, *_REARRANGES, *_SQUASHES, "LogSoftmax") and _is_last_word(node.outputs[0])
        for node in readers
    )


def _gives_logits(node: ir.Node) -> bool:
    """Whether a dense layer says the last word: engines give its sums of integers as floats.

    Of a Conv they do not, and would compute it in float.
    """
    return is_op(node, "Gemm", "MatMul") and _is_last_word(_clamped(node))


def _is_part_of(node: ir.Node, nodes: Container[str | None]) -> bool:
    """Whether a Relu or Clip alone reads integer arithmetic, and so is part of it."""
    value = node.inputs[0] if is_op(node, *_CLAMPS) else None
    before = None if value is None else value.producer()
    if before is None or before.name not in nodes or not _is_clamped(before):
        return False
    return is_op(before, "Conv") or not _is_last_word(node.outputs[0])


def _bounds(node: ir.Node) -> tuple[float, float]:
    """What a Relu or Clip lets through, as far as that is constant."""
    if is_op(node, "Relu"):
        return 0.0, np.inf
    low, high = (constant(input_of(node, index)) for index in (1, 2))
    return -np.inf if low is None else float(low), np.inf if high is None else float(high)


def _is_clamped(node: ir.Node) -> bool:
    return is_op(node, *_ARITHMETIC) and _clamped(node) is not node.outputs[0]


def _clamped(node: ir.Node) -> ir.Value:
    """What a node gives after the Relu or Clip that alone reads it, if there is one."""
    reader = only_reader(node.outputs[0])
    is_clamped = reader is not None and is_op(reader, *_CLAMPS)
    return reader.outputs[0] if reader is not None and is_clamped else node.outputs[0]


def _is_float(value: ir.Value | None) -> bool:
    return value is not None and value.dtype == ir.DataType.FLOAT


def _name(value: ir.Value | None) -> str:
    return "" if value is None else str(value.name)


class _Groups:
    """Names in sets that can be joined, remembered in the order in which they came."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._leader

    def add(self, name: str) -> None:
        self._leader.setdefault(name, name)

    def join(self, names: Sequence[str]) -> None:
        leaders = {self._find(name) for name in names}
        first = next(name for name in self._leader if self._find(name) in leaders)
        for name in leaders:
            self._leader[name] = self._find(first)

    def all(self) -> tuple[tuple[str, ...], ...]:
        found: dict[str, list[str]] = {}
        for name in self._leader:
            found.setdefault(self._find(name), []).append(name)
        return tuple(tuple(names) for names in found.values())

    def _find(self, name: str) -> str:
        while self._leader[name] != name:
            name = self._leader[name]
        return name
