"""Finds out which initialisers of a model are its parameters, and which of them are trained."""

from collections.abc import Container, Iterator, Sequence
from fnmatch import fnmatchcase

import numpy as np
import onnx_ir as ir

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.edit import add_initializer
from edgekit.graph.match import constant, is_op

_WEIGHTS = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "GRU": (1, 2, 3),
    "Gather": (0,),
    "Gemm": (0, 1, 2),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "PRelu": (1,),
}
"""Which inputs of an operator are weights, where they are constant."""

_ON_THE_WAY = ("DequantizeLinear", "Identity", "QuantizeLinear", "Reshape", "Transpose")
_LINEAR = ("Conv", "ConvTranspose", "MatMul")


def parameters_of(model: ir.Model, trainable: Sequence[str] | None) -> list[ir.Value]:
    """The initialisers to train, in the order in which the graph reads them.

    Args:
        model: left as it is.
        trainable: names of initialisers, or patterns of names in the manner of a shell; `None`
            stands for every weight and bias. A pattern finds weights and biases only, a full name
            any float32 initialiser.

    Raises:
        InputError: a name or pattern finds nothing.
        UnsupportedModel: the model has no weights, or they are not float32.
    """
    weights = list(dict.fromkeys(_weights(model.graph)))
    if trainable is None:
        chosen = weights
    else:
        chosen = list(dict.fromkeys(v for text in trainable for v in _found(model, weights, text)))
    if not chosen:
        raise UnsupportedModel("the model has no weights to train")
    for value in chosen:
        if value.dtype != ir.DataType.FLOAT:
            raise UnsupportedModel(f"the parameter {value.name!r} is {value.dtype}, not float32")
    return [value for value in model.graph.initializers.values() if value in chosen]


def statistics_of(model: ir.Model, parameters: Container[ir.Value]) -> list[str]:
    """The running averages of each BatchNormalization that has any of these parameters."""
    return [
        str(value.name)
        for node in model.graph
        if is_op(node, "BatchNormalization") and any(v in parameters for v in node.inputs[1:3])
        for value in node.inputs[3:5]
        if value is not None and value.is_initializer()
    ]


def untie_vectors(model: ir.Model) -> None:
    """Gives each node its own copy of a vector that several share, in place.

    Equal constants, such as biases of zero, are stored once in a file, which does not mean that
    they are to stay equal. Shared matrices are tied on purpose, and stay so.
    """
    for value in dict.fromkeys([*_weights(model.graph), *_statistics(model.graph)]):
        array = constant(value)
        if array is None or array.ndim > 1:
            continue
        for node, index in list(value.uses())[1:]:
            copy = add_initializer(model, str(value.name), np.array(array))
            node.replace_input_with(index, copy)


def is_bias(node: ir.Node, index: int) -> bool:
    """Whether an input is what an Add adds to a product."""
    if not is_op(node, "Add"):
        return False
    other = node.inputs[1 - index]
    return other is not None and is_op(other.producer(), *_LINEAR)


def _found(model: ir.Model, weights: list[ir.Value], text: str) -> list[ir.Value]:
    exact = model.graph.initializers.get(text)
    found = [exact] if exact is not None else []
    found = found or [value for value in weights if fnmatchcase(str(value.name), text)]
    if not found:
        names = ", ".join(str(value.name) for value in weights)
        raise InputError(f"no parameter is called {text!r}; there are {names[:300]}")
    return found


def _weights(graph: ir.Graph) -> Iterator[ir.Value]:
    for node in graph:
        for index, given in enumerate(node.inputs):
            if index not in _WEIGHTS.get(node.op_type, ()) and not is_bias(node, index):
                continue
            value = _stored(given)
            if value is None or not value.is_initializer() or value.is_graph_input():
                continue
            if value.dtype is None or value.dtype.is_floating_point():
                yield value


def _stored(value: ir.Value | None) -> ir.Value | None:
    """What is quantised on its way, or laid out otherwise, to become a weight."""
    while value is not None and is_op(value.producer(), *_ON_THE_WAY):
        value = value.producer().inputs[0]  # type: ignore[union-attr]
    return value


def _statistics(graph: ir.Graph) -> Iterator[ir.Value]:
    for node in graph:
        if is_op(node, "BatchNormalization"):
            yield from (v for v in node.inputs[3:5] if v is not None and v.is_initializer())
