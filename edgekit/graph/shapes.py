"""Finds the type and shape of every value, without moving the weights about."""

from collections.abc import Container, Iterator
from contextlib import contextmanager

import onnx
import onnx_ir as ir
from onnx import shape_inference
from onnx_ir.convenience import create_value_mapping

from edgekit.errors import UnsupportedModel

BIG_BYTES = 1024
"""What is larger is a weight: a tensor of a shape, axes or sizes, which inference reads, is not."""


def infer_shapes(model: ir.Model) -> ir.Model:
    """Writes the types and shapes that follow from the inputs onto every value, in place.

    What a value's shape said before gives way to what is inferred, where that says more.

    Returns:
        The same model.

    Raises:
        UnsupportedModel: the shapes contradict each other.
    """
    try:
        inferred = shape_inference.infer_shapes(
            proto_without_weights(model), check_type=True, strict_mode=True, data_prop=True
        )
    except Exception as error:  # C++: RuntimeError, ValueError and its own InferenceError
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[0][:300] if lines else type(error).__name__
        raise UnsupportedModel(f"its shapes do not fit together: {reason}") from error
    for graph, known in zip(model.graphs(), ir.from_proto(inferred).graphs(), strict=True):
        values = create_value_mapping(known, include_subgraphs=False)
        for name, value in create_value_mapping(graph, include_subgraphs=False).items():
            found = values.get(name)
            if found is None:
                continue
            value.shape = value.shape if found.shape is None else found.shape
            value.type = value.type if found.type is None else found.type
    return model


def proto_without_weights(
    model: ir.Model, *, only: Container[str] | None = None
) -> onnx.ModelProto:
    """The model as a protobuf whose big initialisers say where data is, but have none.

    They are marked as external data in a file without a name. Shape inference needs no more, and
    ONNX Runtime can be handed the arrays themselves.

    Args:
        model: left as it is.
        only: names of initialisers of the main graph to leave out; by default all above
            `BIG_BYTES`, in every graph.
    """
    with _weights_aside(model, only):
        return ir.to_proto(model)


@contextmanager
def _weights_aside(model: ir.Model, only: Container[str] | None) -> Iterator[None]:
    aside: list[tuple[ir.Value, ir.TensorProtocol]] = []
    for graph in model.graphs() if only is None else [model.graph]:
        for name, value in graph.initializers.items():
            tensor = value.const_value
            if tensor is None or tensor.dtype == ir.DataType.STRING:
                continue
            if name in only if only is not None else tensor.nbytes > BIG_BYTES:
                aside.append((value, tensor))
    try:
        for value, tensor in aside:
            value.const_value = ir.ExternalTensor(
                "",
                0,
                tensor.nbytes,
                tensor.dtype,
                shape=ir.Shape(tensor.shape.numpy()),
                name=str(value.name),
            )
        yield
    finally:
        for value, tensor in aside:
            value.const_value = tensor
