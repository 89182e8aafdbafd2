"""Computes once what does not depend on an input."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import get_const_tensor
from onnx_ir.traversal import RecursiveGraphIterator

from edgekit.array import Array
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import add_tensor, unique_name
from edgekit.graph.match import LAYERS, constant, int_of, is_op, static_shape
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.session import open_session

_RANDOM = (
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Bernoulli", "Multinomial", "Dropout"),
)
_EXPANDING = (
    *("ConstantOfShape", "Expand", "Tile", "Range", "EyeLike"),
    *("OneHot", "Pad", "Resize", "Upsample"),
)
_SMALL_BYTES = 64 * 1024  # a mask or a grid; a bigger one is cheaper to make than to ship
_WITH_SUBGRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


class FoldConstants(GraphPass):
    """Turns nodes that read only constants, and the Shape and Size of known shapes, into constants.

    They are computed by ONNX Runtime itself. Leaves alone what is random, what has a subgraph,
    public outputs, DequantizeLinear (which keeps weights small), what blows its input up to more
    than 64 KiB or to an unknown size unless it is a layer's weights, and what ONNX Runtime cannot
    compute. Constants of subgraphs move to the main graph.
    """

    def rewrite_all(self, model: ir.Model) -> bool:
        """Folds all that can be folded, most of it in one run."""
        lifted = _lift_from_subgraphs(model)
        return super().rewrite_all(model) or lifted

    def _rewrite_once(self, model: ir.Model) -> bool:
        changed = super()._rewrite_once(model)
        nodes = _constant_nodes(model)
        own = set(nodes)
        read = [value for node in nodes for value in node.outputs if _is_read_outside(value, own)]
        if not read:
            return changed
        arrays = _computed(model, nodes, read)
        for value, array in arrays.items():
            _replace(model, value, ir.tensor(array))
        return changed or bool(arrays)

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Folds one Constant, or one Shape or Size, which need not read a constant."""
        tensor = None if node.outputs[0].is_graph_output() else _tensor_of(node)
        if tensor is None:
            return False
        _replace(model, node.outputs[0], tensor)
        return True


def _lift_from_subgraphs(model: ir.Model) -> bool:
    """Moves the initialisers of subgraphs to the main graph."""
    lifted = False
    for graph in model.graph.subgraphs():
        for name, value in list(graph.initializers.items()):
            if not value.is_graph_input() and not value.is_graph_output():
                del graph.initializers[name]
                value.name = unique_name(model, name)
                model.graph.register_initializer(value)
                lifted = True
    return lifted


def _tensor_of(node: ir.Node) -> ir.TensorProtocol | None:
    """What a Constant holds, or a Shape or Size of a known shape gives."""
    if is_op(node, "Constant") and "sparse_value" not in node.attributes:
        return get_const_tensor(node.outputs[0])
    shape = static_shape(node.inputs[0]) if is_op(node, "Shape", "Size") else None
    if shape is None:
        return None
    if node.op_type == "Size":
        return ir.tensor(np.array(np.prod(shape, dtype=np.int64)))
    end = int_of(node, "end", len(shape))
    return ir.tensor(np.array(shape[int_of(node, "start", 0) : end], np.int64))


def _constant_nodes(model: ir.Model) -> list[ir.Node]:
    """The nodes that read only constants and each other, in order."""
    known: set[ir.Value] = set()
    nodes = []
    for node in RecursiveGraphIterator(model.graph):
        if _is_foldable(node) and all(
            value is None or value in known or constant(value) is not None for value in node.inputs
        ):
            nodes.append(node)
            known.update(node.outputs)
    return nodes


def _is_foldable(node: ir.Node) -> bool:
    if node.domain not in ("", "ai.onnx") or is_op(node, *_RANDOM, "Constant"):
        return False
    if any(attribute.type in _WITH_SUBGRAPHS for attribute in node.attributes.values()):
        return False
    if any(value.is_graph_output() for value in node.outputs):
        return False
    if is_op(node, "DequantizeLinear"):
        return False
    value = node.outputs[0]
    if any(index and is_op(reader, *LAYERS) for reader, index in value.uses()):
        return True
    shape = static_shape(value)
    if shape is None or value.dtype is None:
        return not is_op(node, *_EXPANDING)
    read = sum(value.const_value.nbytes for value in node.inputs if value and value.const_value)
    return bool(
        np.prod(shape, dtype=np.float64) * value.dtype.itemsize <= max(_SMALL_BYTES, 2 * read)
    )


def _is_read_outside(value: ir.Value, nodes: set[ir.Node]) -> bool:
    return any(node not in nodes for node, _ in value.uses())


def _computed(
    model: ir.Model, nodes: Sequence[ir.Node], values: Sequence[ir.Value]
) -> dict[ir.Value, Array]:
    """The arrays of these values; one by one, and without those that fail, if together they do."""
    try:
        return _run(model, nodes, values)
    except UnsupportedModel:
        if len(nodes) == 1:
            return {}
    arrays = {}
    for node in nodes:
        if all(value is None or constant(value) is not None for value in node.inputs):
            arrays.update(_computed(model, [node], node.outputs))
    return arrays


def _run(
    model: ir.Model, nodes: Sequence[ir.Node], values: Sequence[ir.Value]
) -> dict[ir.Value, Array]:
    """Runs copies of these nodes alone.

    Raises:
        UnsupportedModel: ONNX Runtime cannot.
    """
    copies: dict[ir.Value, ir.Value] = {}

    def copy_of(value: ir.Value | None) -> ir.Value | None:
        if value is not None and value not in copies:
            copies[value] = ir.Value(
                name=f"constant_{len(copies)}",
                const_value=value.const_value,
                type=value.type,
                shape=value.shape,
            )
            initializers.append(copies[value])
        return None if value is None else copies[value]

    initializers: list[ir.Value] = []
    made = []
    for node in nodes:
        copy = ir.Node(
            node.domain,
            node.op_type,
            [copy_of(value) for value in node.inputs],
            node.attributes.values(),
            num_outputs=len(node.outputs),
        )
        made.append(copy)
        for value, twin in zip(node.outputs, copy.outputs, strict=True):
            twin.name = f"value_{len(copies)}" if value.name else ""
            copies[value] = twin
    graph = ir.Graph(
        [],
        [copies[value] for value in values],
        nodes=made,
        initializers=initializers,
        opset_imports=model.opset_imports,
    )
    session = open_session(ir.Model(graph, ir_version=model.ir_version), optimize=False)
    try:
        results = session.run(None, {})
    except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
        raise UnsupportedModel(str(error)) from error
    return {
        value: result
        for value, result in zip(values, results, strict=True)
        if isinstance(result, np.ndarray) and result.dtype.kind in "fiub"
    }


def _replace(model: ir.Model, value: ir.Value, tensor: ir.TensorProtocol) -> None:
    """Lets an initialiser of the same name take a value's place; removes the node if it can."""
    node, name = value.producer(), str(value.name)
    assert node is not None
    assert node.graph is not None
    is_main, is_alone = node.graph is model.graph, len(node.outputs) == 1
    value.name = None if is_main and is_alone else unique_name(model, f"{name}_before")
    constant = add_tensor(model, name, tensor, name_is_free=is_main)
    value.replace_all_uses_with(constant)
    if is_alone:
        node.graph.remove(node, safe=True)
