"""Gives a classifier's graph the one output that a board reads: `scores` [1, C]."""

import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import unique_name
from edgekit.graph.match import is_op

OUTPUT = "scores"
_SHAPE_ONLY = ("Flatten", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Transpose")


def ends_in_probabilities(model: ir.Model) -> bool:
    """Whether the first output is a Softmax's or Sigmoid's, give or take a reshaping."""
    return _probabilities(model.graph.outputs[0])[1]


def count_classes(model: ir.Model) -> int | None:
    """How many classes the one output holds scores of: 1 axis of 2 or more, all others 1."""
    if len(model.graph.outputs) != 1 or model.graph.outputs[0].shape is None:
        return None
    shape = [axis if isinstance(axis, int) else 0 for axis in model.graph.outputs[0].shape]
    wide = [axis for axis in shape if axis != 1]
    return wide[0] if len(wide) == 1 and wide[0] > 1 and shape[0] == 1 else None


def make_scores_head(model: ir.Model) -> int:
    """Rewrites `model` in place so that its output is probabilities `scores` [1, C].

    A Softmax is added unless the model ends in one, or in a Sigmoid.

    Returns:
        C, how many classes there are.

    Raises:
        UnsupportedModel: the model has several outputs, or one that holds no classes.
    """
    classes = count_classes(model)
    value = model.graph.outputs[0]
    if classes is None:
        shapes = ", ".join(f"{out.name} {list(out.shape or ())}" for out in model.graph.outputs)
        raise UnsupportedModel(
            f'its output ({shapes}) is not [1, classes]; say task = "raw" in a recipe if it is '
            "no classifier"
        )
    value, is_probability = _probabilities(value)
    if value.shape is None or list(value.shape) != [1, classes]:
        value = _append(model, "Flatten", value, axis=1)
    if not is_probability:
        value = _append(model, "Softmax", value, axis=1)
    value.name = OUTPUT
    value.type = ir.TensorType(ir.DataType.FLOAT)
    value.shape = ir.Shape((1, classes))
    model.graph.outputs[0] = value
    return classes


def _probabilities(value: ir.Value) -> tuple[ir.Value, bool]:
    """The Softmax or Sigmoid that nothing but reshaping separates from `value`, if there is one."""
    found = value
    while is_op(found.producer(), *_SHAPE_ONLY):
        before = found.producer().inputs[0]  # type: ignore[union-attr]
        if before is None:
            break
        found = before
    return (found, True) if is_op(found.producer(), "Softmax", "Sigmoid") else (value, False)


def _append(model: ir.Model, kind: str, value: ir.Value, *, axis: int) -> ir.Value:
    node = ir.node(kind, [value], {"axis": axis})
    node.outputs[0].name = unique_name(model, kind.lower())
    model.graph.append(node)
    return node.outputs[0]
