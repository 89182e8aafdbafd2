"""Follows channels through a graph, from the layers that make them to those that read them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.traversal import RecursiveGraphIterator

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.prune.channels import Channels, Role, Sizes, Slice
from edgekit.graph.match import constant, is_op


@dataclass(frozen=True)
class Along:
    """Where the channels of a value lie: int units `[size of axis]` along one axis."""

    axis: int
    units: Array


Rule = Callable[["Tracer", ir.Node], None]
_RULES: dict[str, Rule] = {}


def rule(*kinds: str) -> Callable[[Rule], Rule]:
    """Registers how channels pass through operators."""

    def register(function: Rule) -> Rule:
        for kind in kinds:
            _RULES[kind] = function
        return function

    return register


class Tracer:
    """What is known while a graph is followed in the order in which it runs.

    A rule calls `put` where it knows the channels of an output. What it does not understand it
    gives to `stop`: those channels then cannot be pruned. The rest of the graph is unharmed.
    """

    def __init__(self, model: ir.Model) -> None:
        self.channels = Channels()
        self.layers: dict[ir.Node, Layer] = {layer.node: layer for layer in linear_layers(model)}
        self._known: dict[ir.Value, Along] = {}

    def of(self, value: ir.Value | None) -> Along | None:
        """The channels of a value, or `None` where no layer made any."""
        return None if value is None else self._known.get(value)

    def put(self, value: ir.Value, along: Along | None) -> None:
        """Says where the channels of a value lie."""
        if along is not None:
            self._known[value] = along

    def stop(self, node: ir.Node, reason: str) -> None:
        """Whatever channels a node reads have to stay."""
        for value in _read_by(node):
            self.stop_at(value, reason)

    def stop_at(self, value: ir.Value | None, reason: str) -> None:
        """The channels of one value have to stay."""
        along = self.of(value)
        if along is not None:
            self.channels.fix(along.units, reason)

    def bind(self, node: ir.Node, index: int, axis: int, units: Array, role: Role) -> None:
        """A constant input has one entry a unit along an axis."""
        self.channels.slices.append(Slice(node, index, axis, units, role))

    def count(self, node: ir.Node, kind: str, axis: int, *parts: Array) -> None:
        """A number in a node counts channels."""
        self.channels.sizes.append(Sizes(node, kind, axis, parts))

    def follow(self, node: ir.Node) -> None:
        """Takes the channels from a node's inputs to its outputs."""
        known = _RULES.get(node.op_type) if is_op(node, node.op_type) else None
        if known is None or any(True for _ in _captured(node)):
            self.stop(node, f"read by {node.op_type}, which mixes channels or is not understood")
        else:
            known(self, node)


def trace(model: ir.Model) -> Channels:
    """The channels of a canonical model.

    Depth-wise dependency tracing as in Fang et al., 2023 (DepGraph, arXiv:2301.12900), written
    over ONNX operators. Public outputs keep all their channels, and so does whatever is read by
    an operator without a rule here.
    """
    from edgekit.compress.prune import layer_rules, plumbing_rules  # noqa: F401 (register rules)

    tracer = Tracer(model)
    for node in model.graph:
        tracer.follow(node)
    for value in model.graph.outputs:
        tracer.stop_at(value, f"part of the model's output {value.name!r}")
    return tracer.channels


def shape_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """A value's shape where it is wholly known."""
    if value is None or value.shape is None:
        return None
    sizes = tuple(value.shape)
    return None if not all(isinstance(size, int) for size in sizes) else sizes  # type: ignore[return-value]


def ints(value: ir.Value | None) -> list[int] | None:
    """The numbers of a constant."""
    numbers = constant(value)
    return None if numbers is None else [int(number) for number in np.ravel(numbers)]


def _captured(node: ir.Node) -> Iterator[ir.Value]:
    """Values of the outer graph that are read inside a node's own graphs."""
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in RecursiveGraphIterator(attribute.as_graph()):
                yield from (value for value in inner.inputs if value is not None)
            yield from attribute.as_graph().outputs


def _read_by(node: ir.Node) -> Iterator[ir.Value]:
    yield from (value for value in node.inputs if value is not None)
    yield from _captured(node)
