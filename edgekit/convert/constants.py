"""What is known of a graph's values before it runs: initialisers, and what follows from them."""

from collections.abc import Iterable

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort

from edgekit.array import Array
from edgekit.convert.quantization import QuantizedConstant, quantized_constant
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import constant, is_op

_NOT_FOLDED = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")


class Constants:
    """The values of a graph that do not depend on its inputs.

    Weights that a DequantizeLinear reads are known as integers too, also through a Transpose.

    Attributes:
        nodes: those that need not run, because all they give is known.
    """

    def __init__(self, graph: ir.Graph) -> None:
        """Works out every constant that a node with other inputs, or the caller, reads."""
        self.nodes = _constant_nodes(graph)
        self._arrays = _evaluated(graph, self.nodes)
        self._quantized: dict[ir.Value, QuantizedConstant] = {}
        for node in graph:
            if node in self.nodes:
                self._note_quantized(node)

    def array(self, value: ir.Value | None) -> Array | None:
        """The numbers of a value, or `None` where they depend on the graph's inputs."""
        if value is None:
            return None
        if value in self._quantized and value not in self._arrays:
            self._arrays[value] = self._quantized[value].floats()
        found = self._arrays.get(value)
        return constant(value) if found is None else found

    def quantized(self, value: ir.Value | None) -> QuantizedConstant | None:
        """The integers behind a constant, if it is stored as such."""
        return None if value is None else self._quantized.get(value)

    def _note_quantized(self, node: ir.Node) -> None:
        output = node.outputs[0]
        if is_op(node, "DequantizeLinear"):
            integers = self.array(node.inputs[0])
            found = None if integers is None else quantized_constant(node, integers)
            if found is not None:
                self._quantized[output] = found
        elif is_op(node, "Transpose") and node.inputs[0] in self._quantized:
            before = self._quantized[node.inputs[0]]
            reverse = tuple(reversed(range(before.integers.ndim)))
            permutation = node.attributes.get_ints("perm", reverse)
            self._quantized[output] = before.transposed(tuple(permutation))


def _constant_nodes(graph: ir.Graph) -> set[ir.Node]:
    known: set[ir.Node] = set()
    for node in graph:
        has_graph = any(
            attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for attribute in node.attributes.values()
        )
        if node.op_type in _NOT_FOLDED or has_graph:
            continue
        if all(
            value is None
            or (value.const_value is not None and not value.is_graph_input())
            or value.producer() in known
            for value in node.inputs
        ):
            known.add(node)
    return known


def _evaluated(graph: ir.Graph, nodes: set[ir.Node]) -> dict[ir.Value, Array]:
    """Runs the constant nodes, for the values that are read from outside them.

    What a DequantizeLinear gives is left out, and what it reads is let in.
    """
    wanted = [
        value
        for node in graph
        if node in nodes
        for value in node.outputs
        if value.is_graph_output()
        or any(_reads_from_outside(use.node, nodes) for use in value.uses())
    ]
    wanted += [
        value
        for node in graph
        if node in nodes and is_op(node, "DequantizeLinear")
        for value in node.inputs
        if value is not None and value.producer() is not None
    ]
    dequantized = {v for v in wanted if is_op(v.producer(), "DequantizeLinear")}
    unique = [value for value in dict.fromkeys(wanted) if value not in dequantized]
    return dict(zip(unique, _run(unique, nodes), strict=True)) if unique else {}


def _reads_from_outside(node: ir.Node, nodes: set[ir.Node]) -> bool:
    return node not in nodes or is_op(node, "DequantizeLinear")


def _run(wanted: list[ir.Value], nodes: set[ir.Node]) -> Iterable[Array]:
    """The wanted values by onnxruntime."""
    needed = _ancestors(wanted)
    graph = onnx.GraphProto(name="constants")
    used: dict[str, ir.Value] = {}
    for value in wanted:
        graph.output.add(name=value.name or "")
    for node in needed:
        graph.node.append(ir.to_proto(node))
        for read in node.inputs:
            if read is not None and read.const_value is not None and read.producer() is None:
                used[read.name or ""] = read
    for name, initializer in used.items():
        assert initializer.const_value is not None
        tensor = ir.to_proto(initializer.const_value)
        tensor.name = name
        graph.initializer.append(tensor)
    owner = wanted[0].producer()
    assert owner is not None
    assert owner.graph is not None
    model = onnx.helper.make_model(
        graph,
        opset_imports=[
            onnx.helper.make_opsetid(domain, version)
            for domain, version in owner.graph.opset_imports.items()
        ],
        ir_version=10,
    )
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        model = onnx.shape_inference.infer_shapes(model)
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        found = session.run([value.name for value in wanted], {})
    except Exception as error:  # onnx and onnxruntime raise whatever the model makes them trip over
        raise UnsupportedModel(f"its constant part cannot be computed: {error}") from error
    return [np.asarray(array) for array in found]


def _ancestors(values: list[ir.Value]) -> list[ir.Node]:
    found: dict[ir.Node, None] = {}
    waiting = [value.producer() for value in values]
    while waiting:
        node = waiting.pop()
        if node is None or node in found:
            continue
        found[node] = None
        waiting += [value.producer() for value in node.inputs if value is not None]
    graph = next(iter(found)).graph
    return [node for node in graph or () if node in found]
