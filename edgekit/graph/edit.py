"""Small changes to a graph that keep its signature: constants, insertion, replacement, pruning."""

from collections.abc import Container, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgekit.array import Array
from edgekit.graph.shapes import infer_shapes

__all__ = [
    "add_initializer",
    "add_tensor",
    "become",
    "can_take_name",
    "free_name",
    "infer_shapes",
    "insert_after",
    "insert_before",
    "prune_unused",
    "replace_node",
    "set_constant",
    "unique_name",
]


def add_initializer(model: ir.Model, name: str, array: Array) -> ir.Value:
    """A new initialiser of the main graph, of the array's own dtype and shape.

    Args:
        model: changed in place.
        name: what to call it; a number is added if the name is taken.
        array: not copied if it is contiguous, so it must not be changed later.
    """
    return add_tensor(model, name, ir.tensor(np.asarray(array, order="C")))


def add_tensor(
    model: ir.Model, name: str, tensor: ir.TensorProtocol, *, name_is_free: bool = False
) -> ir.Value:
    """A new initialiser that holds a tensor of any type, which need not be in memory.

    Args:
        model: changed in place.
        name: what to call it; a number is added if the name is taken.
        tensor: is given that name too.
        name_is_free: whether the caller knows that, which saves looking through the graph.
    """
    tensor.name = name if name_is_free else unique_name(model, name)
    value = ir.Value(
        name=tensor.name,
        const_value=tensor,
        shape=ir.Shape(tensor.shape.numpy()),
        type=ir.TensorType(tensor.dtype),
    )
    model.graph.register_initializer(value)
    return value


def set_constant(
    model: ir.Model,
    node: ir.Node,
    input_index: int,
    array: Array,
    *,
    name: str | None = None,
    dtype: npt.DTypeLike | None = None,
) -> ir.Value:
    """Makes one input of a node a new initialiser.

    The initialiser that was there goes if nothing else reads it, and leaves its name to the new
    one.

    Args:
        model: changed in place.
        node: any node of the model; an input that it has not yet is appended.
        input_index: which of its inputs.
        array: its values.
        name: what to call it; by default as before, or after the node's first output.
        dtype: what to store; by default float32 for float64, and else the array's own.
    """
    if dtype is None:
        dtype = np.float32 if array.dtype == np.float64 else array.dtype
    if input_index >= len(node.inputs):
        node.resize_inputs(input_index + 1)
    old = node.inputs[input_index]
    node.replace_input_with(input_index, None)
    if old is not None and old.name and _is_unread_initializer(old):
        old.graph.initializers.pop(old.name)  # type: ignore[union-attr]
        name = name or old.name
    data = array.astype(dtype, copy=False)
    value = add_initializer(model, name or f"{node.outputs[0].name}_{input_index}", data)
    node.replace_input_with(input_index, value)
    return value


def become(
    node: ir.Node,
    kind: str,
    inputs: Sequence[ir.Value | None],
    attributes: Mapping[str, int | float | str | Sequence[int]] | None = None,
) -> ir.Node:
    """Puts a standard operator in a node's place, under the node's name.

    Its output is called what the node's first output was and has its type and shape; other outputs
    of the node must not be read.
    """
    assert node.graph is not None
    old, new = node.outputs[0], ir.node(kind, inputs, attributes, name=node.name)
    value = new.outputs[0]
    value.name, value.type, value.shape = old.name, old.type, old.shape
    node.graph.insert_before(node, new)
    old.replace_all_uses_with(value, replace_graph_outputs=True)
    node.graph.remove(node, safe=True)
    return new


def replace_node(node: ir.Node, *, with_value: ir.Value) -> None:
    """Lets whatever reads a node's first output read `with_value`, and removes the node.

    A public output keeps its name, type and shape: `with_value` takes the name where it can, else
    the node gives way to an Identity. Other outputs of the node must not be read.
    """
    old, graph = node.outputs[0], node.graph
    assert graph is not None
    if old.is_graph_output():
        if not can_take_name(with_value, old):
            with_value = _identity_before(node, with_value)
        name, old.name = old.name, None
        with_value.name, with_value.type, with_value.shape = name, old.type, old.shape
    else:
        _fill_in(with_value, old)
    old.replace_all_uses_with(with_value, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def can_take_name(value: ir.Value, public: ir.Value) -> bool:
    """Whether `value` can become the graph output that `public` is now.

    It cannot if it has a public name of its own, is a constant, or belongs to another graph.
    """
    producer, owner = value.producer(), public.producer()
    return (
        producer is not None
        and owner is not None
        and producer.graph is owner.graph
        and not value.is_graph_output()
        and value.const_value is None
    )


def insert_after(model: ir.Model, value: ir.Value, nodes: Sequence[ir.Node]) -> ir.Value:
    """Puts a chain of nodes behind a value: what read it reads the chain's last output.

    Args:
        model: changed in place.
        value: computed by a node, given as input, or an initialiser. If it is a public output,
            its name, type and shape pass to the chain's end.
        nodes: in order; those that read `value` go on reading it.

    Returns:
        The last node's first output.
    """
    graph = value.graph
    assert isinstance(graph, ir.Graph)
    _name_outputs(model, nodes, after=value)
    own = set(nodes)
    end = nodes[-1].outputs[0]
    readers = [(node, index) for node, index in value.uses() if node not in own]
    producer = value.producer()
    if producer is not None:
        graph.insert_after(producer, nodes)
    elif len(graph):
        graph.insert_before(graph[0], nodes)
    else:
        graph.extend(nodes)
    for node, index in readers:
        node.replace_input_with(index, end)
    if value.is_graph_output() and not value.is_graph_input():
        end.name, value.name = value.name, unique_name(model, f"{value.name}_before")
        end.type, end.shape = value.type, value.shape
        for place, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[place] = end
    else:
        _fill_in(end, value)
    return end


def insert_before(
    model: ir.Model, node: ir.Node, input_index: int, nodes: Sequence[ir.Node]
) -> ir.Value:
    """Puts a chain of nodes in front of one input of a node; other readers see nothing of it.

    Returns:
        The last node's first output, which the input now reads.
    """
    graph = node.graph
    assert graph is not None
    old, end = node.inputs[input_index], nodes[-1].outputs[0]
    _name_outputs(model, nodes, after=old or node.outputs[0])
    graph.insert_before(node, nodes)
    node.replace_input_with(input_index, end)
    if old is not None:
        _fill_in(end, old)
    return end


def prune_unused(model: ir.Model) -> bool:
    """Removes nodes, optional outputs and initialisers that nothing reads; whether any was."""
    modified = RemoveUnusedNodesPass()(model).modified
    for graph in model.graphs():
        for name, value in list(graph.initializers.items()):
            if _is_unread_initializer(value):
                del graph.initializers[name]
                modified = True
    return modified


def unique_name(model: ir.Model, name: str) -> str:
    """`name`, or `name_1`, `name_2` ... if a value of any of the model's graphs has it."""
    return free_name(name, set(_value_names(model.graph)))


def free_name(name: str, taken: Container[str | None]) -> str:
    """`name`, or `name_1`, `name_2` ... if it is taken."""
    free, number = name, 0
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _name_outputs(model: ir.Model, nodes: Sequence[ir.Node], *, after: ir.Value) -> None:
    """Names what has no name yet; the nodes need not be in the graph."""
    outputs = [(value, node.op_type) for node in nodes for value in node.outputs]
    taken = {*_value_names(model.graph), *(value.name for value, _ in outputs)}
    for value, kind in outputs:
        if value.name is None:
            value.name = free_name(f"{after.name}_{kind}", taken)
            taken.add(value.name)


def _value_names(graph: ir.Graph) -> Iterator[str | None]:
    yield from graph.initializers
    for value in graph.inputs:
        yield value.name
    for node in graph:
        for value in node.outputs:
            yield value.name
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                yield from _value_names(attribute.as_graph())
            elif attribute.type == ir.AttributeType.GRAPHS:
                for inner in attribute.as_graphs():
                    yield from _value_names(inner)


def _identity_before(node: ir.Node, value: ir.Value) -> ir.Value:
    identity = ir.node("Identity", [value])
    assert node.graph is not None
    node.graph.insert_before(node, identity)
    return identity.outputs[0]


def _is_unread_initializer(value: ir.Value) -> bool:
    return (
        value.is_initializer()
        and not value.uses()
        and not value.is_graph_output()
        and not value.is_graph_input()
    )


def _fill_in(value: ir.Value, known: ir.Value) -> None:
    """What is known of one value holds for the other, which it stands for."""
    if value.type is None:
        value.type = known.type
    if value.shape is None:
        value.shape = known.shape
