"""What is known of a graph's values before it runs: initialisers, and what follows from them."""

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgekit.array import Array
from edgekit.convert.quantization import QuantizedConstant, quantized_constant
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import constant, ints_of, is_op
from edgekit.graph.session import open_session

_RANDOM = (
    *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
    *("Bernoulli", "Multinomial"),
)
_WITH_GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


class Constants:
    """The values of a graph that do not depend on its inputs.

    Weights that a DequantizeLinear reads are known as integers too, also through a Transpose.

    Attributes:
        nodes: those that need not run, because all they give is known.
    """

    def __init__(self, model: ir.Model) -> None:
        """Works out every constant that a node with other inputs, or the caller, reads."""
        self.nodes = _constant_nodes(model.graph)
        wanted = [value for value in _values_of(model.graph, self.nodes) if self._is_read(value)]
        self._arrays = dict(zip(wanted, _computed(model, wanted), strict=True)) if wanted else {}
        self._quantized: dict[ir.Value, QuantizedConstant] = {}
        for node in model.graph:
            if node in self.nodes:
                self._note_quantized(node)

    def __contains__(self, value: ir.Value | None) -> bool:
        """Whether a value is known; works out nothing."""
        return value in self._quantized or value in self._arrays or constant(value) is not None

    def array(self, value: ir.Value | None) -> Array | None:
        """The numbers of a value, or `None` where they depend on the graph's inputs."""
        if value is None:
            return None
        if value in self._quantized and value not in self._arrays:
            return self._quantized[value].floats()
        found = self._arrays.get(value)
        return constant(value) if found is None else found

    def known(self, value: ir.Value) -> Array:
        """The numbers of a value that is known."""
        array = self.array(value)
        assert array is not None, f"{value.name} is not constant"
        return array

    def shape(self, value: ir.Value) -> tuple[int, ...]:
        """The shape of a value that is known; works out nothing."""
        if value in self._quantized:
            return self._quantized[value].integers.shape
        return self.known(value).shape

    def quantized(self, value: ir.Value | None) -> QuantizedConstant | None:
        """The integers behind a constant, if it is stored as such."""
        return None if value is None else self._quantized.get(value)

    def _is_read(self, value: ir.Value) -> bool:
        """Whether onnxruntime has to compute a value; what a DequantizeLinear gives, it has not."""
        if is_op(value.producer(), "DequantizeLinear"):
            return False
        return value.is_graph_output() or any(
            node not in self.nodes or is_op(node, "DequantizeLinear") for node, _ in value.uses()
        )

    def _note_quantized(self, node: ir.Node) -> None:
        source, output = node.inputs[0] if node.inputs else None, node.outputs[0]
        if is_op(node, "DequantizeLinear"):
            integers = self.array(source)
            scale = self.array(node.inputs[1])
            zero_point = self.array(node.inputs[2]) if len(node.inputs) > 2 else None
            assert integers is not None
            assert scale is not None
            self._quantized[output] = quantized_constant(node, integers, scale, zero_point)
        elif is_op(node, "Transpose") and source in self._quantized:
            assert source is not None
            before = self._quantized[source]
            permutation = ints_of(node, "perm") or reversed(range(before.integers.ndim))
            self._quantized[output] = before.transposed(tuple(permutation))


def _constant_nodes(graph: ir.Graph) -> set[ir.Node]:
    known: set[ir.Node] = set()
    for node in graph:
        has_graph = any(attribute.type in _WITH_GRAPHS for attribute in node.attributes.values())
        if is_op(node, *_RANDOM) or has_graph:
            continue
        if all(
            value is None or value.producer() in known or constant(value) is not None
            for value in node.inputs
        ):
            known.add(node)
    return known


def _values_of(graph: ir.Graph, nodes: set[ir.Node]) -> list[ir.Value]:
    return [value for node in graph if node in nodes for value in node.outputs]


def _computed(model: ir.Model, wanted: list[ir.Value]) -> list[Array]:
    """The wanted values by onnxruntime: it runs what of the model gives them."""
    part = model.clone()
    graph = part.graph
    values = {value.name: value for node in graph for value in node.outputs}
    names = [str(value.name) for value in wanted]
    graph.outputs.clear()
    graph.outputs.extend(values[name] for name in names)
    graph.inputs.clear()
    RemoveUnusedNodesPass()(part)
    session = open_session(part, optimize=False)
    try:
        return [*session.run(names, {})]
    except Exception as error:  # onnxruntime has an unrelated class for each kind of failure
        text = " ".join(str(error).split())[:300]
        raise UnsupportedModel(f"its constant part cannot be computed: {text}") from error
