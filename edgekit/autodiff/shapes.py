"""What a rule asks of the forward graph: static shapes, dtypes, attributes, constants."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import UnsupportedModel

_FLOATS = frozenset(
    (ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
)


def where(node: ir.Node) -> str:
    """How an error message names a node."""
    name = node.name or (node.outputs[0].name if node.outputs else "")
    return f"the {node.op_type} node {name!r}"


def is_float(value: ir.Value) -> bool:
    """Whether a value is of a type that has gradients; one of unknown type is taken to be."""
    return value.dtype is None or value.dtype in _FLOATS


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a value.

    Raises:
        UnsupportedModel: it is not known or has a dynamic axis.
    """
    axes = [None] if value.shape is None else list(value.shape)
    if not all(isinstance(axis, int) for axis in axes):
        raise UnsupportedModel(
            f"the value {value.name!r} has no static shape; differentiate a model "
            "whose inputs have fixed shapes"
        )
    return tuple(int(axis) for axis in axes)  # type: ignore[arg-type]


def operand(node: ir.Node, index: int) -> ir.Value:
    """The input of a node that its operator cannot do without."""
    value = optional(node, index)
    if value is None:
        raise UnsupportedModel(f"{where(node)}: input {index} is missing")
    return value


def optional(node: ir.Node, index: int) -> ir.Value | None:
    """An input that a node may leave out."""
    return node.inputs[index] if index < len(node.inputs) else None


def constant_input(node: ir.Node, index: int) -> Array | None:
    """The array of an optional input; `None` where the node leaves it out.

    Raises:
        UnsupportedModel: it is there, but computed: the rule needs to know it beforehand.
    """
    value = optional(node, index)
    if value is None:
        return None
    producer = value.producer()
    if producer is not None and producer.op_type == "Constant":
        tensor = ir.convenience.get_const_tensor(value)
    else:
        tensor = None if value.is_graph_input() else value.const_value
    if tensor is None:
        raise UnsupportedModel(
            f"{where(node)}: input {index} ({value.name!r}) is computed; its gradient needs it "
            "to be a constant"
        )
    return np.asarray(tensor.numpy())


def axes_of(node: ir.Node, index: int = 1) -> list[int] | None:
    """The axes of a reduction or squeeze, given as attribute or as input `index`; `None`: default.

    Negative axes are counted from the front.
    """
    attribute = node.attributes.get("axes")
    given: Sequence[int] | Array | None
    given = constant_input(node, index) if attribute is None else attribute.as_ints()
    if given is None or len(given) == 0:
        return None
    return [int(axis) for axis in given]


def positive(axes: Sequence[int], rank: int) -> list[int]:
    """Axes counted from the front."""
    return [axis + rank if axis < 0 else axis for axis in axes]
