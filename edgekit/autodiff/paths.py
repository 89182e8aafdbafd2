"""Which nodes lie on a path from what one differentiates by to what one differentiates."""

from collections.abc import Iterable, Iterator

import onnx_ir as ir

from edgekit.autodiff.shapes import is_float
from edgekit.graph.match import is_op


def nodes_between(
    graph: ir.Graph, sources: Iterable[ir.Value], target: ir.Value
) -> tuple[list[ir.Node], set[ir.Value]]:
    """The nodes between `sources` and `target`, and the values that carry a gradient.

    Integers and booleans carry none, save what QuantizeLinear makes and what is a rearrangement of
    that.

    Args:
        graph: in topological order.
        sources: what one differentiates by.
        target: what is differentiated.

    Returns:
        The nodes in topological order, and the values that depend on a source.
    """
    needed = _ancestors(target)
    active = set(sources)
    between = []
    for node in graph:
        if node not in needed or not any(value in active for value in _reads(node)):
            continue
        outputs = [value for value in node.outputs if _carries(value, node, active)]
        active.update(outputs)
        if outputs:
            between.append(node)
    return between, active


def _carries(value: ir.Value, node: ir.Node, active: set[ir.Value]) -> bool:
    if is_float(value) or is_op(node, "QuantizeLinear"):
        return True
    return any(
        given in active and not is_float(given) and given.dtype == value.dtype
        for given in node.inputs
        if given is not None
    )


def _ancestors(target: ir.Value) -> set[ir.Node]:
    found: set[ir.Node] = set()
    waiting = [target]
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node not in found:
            found.add(node)
            waiting.extend(_reads(node))
    return found


def _reads(node: ir.Node) -> Iterator[ir.Value]:
    """What a node reads, the values that its subgraphs take from outside included."""
    yield from (value for value in node.inputs if value is not None)
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield from _captured(attribute.as_graph())


def _captured(graph: ir.Graph) -> Iterator[ir.Value]:
    for inner in graph:
        yield from _reads(inner)
    yield from graph.outputs
