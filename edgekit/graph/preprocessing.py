"""Moves a picture model's preprocessing into its graph.

The rewritten model takes `image`, uint8 RGB `[1, height, width, 3]`, and no longer needs to be
told of layout, channel order, mean and scale.
"""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle import PictureRule
from edgekit.errors import UnsupportedModel
from edgekit.graph.edit import add_initializer, set_constant
from edgekit.graph.match import constant, ints_of, is_op, only_reader

_LUMA = np.array([[0.299, 0.587, 0.114]])  # ITU-R BT.601
INPUT = "image"


def fold_preprocessing(model: ir.Model, rule: PictureRule, *, into_conv: bool = True) -> None:
    """Rewrites `model` in place so that its input is the plain uint8 picture.

    Everything linear goes into the first Conv's weights, in float64. The mean goes into its bias
    where the Conv has no padding; where it has, a Sub stays in front, because padding with
    zeros means padding with the mean. A model that does not begin with a Conv keeps the
    arithmetic as nodes.

    Args:
        model: takes one float input of the rule's `tensor_shape`.
        rule: how a picture becomes that input.
        into_conv: whether the first Conv may change. A model that will be trained keeps the
            arithmetic as nodes: weights of pixels of 0 to 255 learn badly.

    Raises:
        UnsupportedModel: the model's input is not that tensor.
    """
    tensor = _float_picture_input(model, rule)
    colours, mean = _affine(rule)
    picture = ir.Value(
        name=INPUT,
        type=ir.TensorType(ir.DataType.UINT8),
        shape=ir.Shape((1, rule.height, rule.width, 3)),
    )
    conv = _first_conv(tensor, layout=rule.layout) if into_conv else None
    if conv is not None:
        _fold_colours(model, conv, colours)
        colours = np.eye(3)
        if not _has_padding(conv):
            _fold_mean(model, conv, mean)
            mean = np.zeros(3)
    _replace_input(model, tensor, picture, colours, mean, layout=rule.layout)


def _affine(rule: PictureRule) -> tuple[Array, Array]:
    """`(A [planes, 3], m [3])` such that the model's pixel is `A @ (rgb - m)`."""
    mean = np.broadcast_to(np.array(rule.mean, np.float64), rule.planes)
    std = np.broadcast_to(np.array(rule.std, np.float64), rule.planes)
    if rule.channels == "GRAY":
        return _LUMA / std[:, np.newaxis], np.repeat(mean, 3)
    order = [0, 1, 2] if rule.channels == "RGB" else [2, 1, 0]
    return np.eye(3)[order] / std[:, np.newaxis], mean[order]


def _float_picture_input(model: ir.Model, rule: PictureRule) -> ir.Value:
    wanted = rule.tensor_shape()
    if len(model.graph.inputs) != 1:
        names = ", ".join(str(value.name) for value in model.graph.inputs)
        raise UnsupportedModel(f"has {len(model.graph.inputs)} inputs ({names}), not one picture")
    value = model.graph.inputs[0]
    shape = tuple(value.shape) if value.shape is not None else ()
    if shape != wanted or value.dtype != ir.DataType.FLOAT:
        raise UnsupportedModel(
            f"the input {value.name!r} is {value.dtype} {list(shape)}, "
            f"the recipe's picture is FLOAT {list(wanted)}"
        )
    return value


def _first_conv(tensor: ir.Value, *, layout: str) -> ir.Node | None:
    """The Conv that alone reads the picture as NCHW, if its weights are constant."""
    reader = only_reader(tensor)
    if layout == "NHWC" and reader is not None and is_op(reader, "Transpose"):
        if ints_of(reader, "perm") != [0, 3, 1, 2]:
            return None
        reader = only_reader(reader.outputs[0])
    elif layout == "NHWC":
        return None
    if reader is None or not is_op(reader, "Conv"):
        return None
    group = reader.attributes.get("group")
    if group is not None and group.as_int() != 1:
        return None
    biased = len(reader.inputs) > 2 and reader.inputs[2] is not None
    if constant(reader.inputs[1]) is None or (biased and constant(reader.inputs[2]) is None):
        return None
    return reader


def _has_padding(conv: ir.Node) -> bool:
    automatic = conv.attributes.get("auto_pad")
    if automatic is not None and automatic.as_string() in ("SAME_UPPER", "SAME_LOWER"):
        return True
    return any(ints_of(conv, "pads") or ())


def _fold_colours(model: ir.Model, conv: ir.Node, colours: Array) -> None:
    weights = constant(conv.inputs[1])
    assert weights is not None
    folded = np.einsum("oihw,ic->ochw", weights.astype(np.float64), colours)
    set_constant(model, conv, 1, folded)


def _fold_mean(model: ir.Model, conv: ir.Node, mean: Array) -> None:
    """Subtracts the mean's share from the bias; the weights have the colours in them already."""
    weights = constant(conv.inputs[1])
    assert weights is not None
    bias = constant(conv.inputs[2]) if len(conv.inputs) > 2 else None
    start = np.zeros(len(weights)) if bias is None else bias.astype(np.float64)
    if mean.any():
        set_constant(model, conv, 2, start - np.einsum("ochw,c->o", weights, mean))


def _replace_input(
    model: ir.Model,
    tensor: ir.Value,
    picture: ir.Value,
    colours: Array,
    mean: Array,
    *,
    layout: str,
) -> None:
    """Puts `picture`, and the arithmetic that is left, where `tensor` was."""
    nodes: list[ir.Node] = []

    def add(kind: str, *inputs: ir.Value, **attributes: object) -> ir.Value:
        node = ir.node(kind, inputs, attributes or None)  # type: ignore[arg-type]
        node.outputs[0].name = f"{INPUT}_{kind.lower()}"
        nodes.append(node)
        return node.outputs[0]

    is_plain_colour = colours.shape == (3, 3) and np.array_equal(colours, np.eye(3))
    value = picture
    if layout == "NCHW" and is_plain_colour and not mean.any():
        # uint8 moves a quarter of the bytes, and a quantised graph reads it as it is.
        value = add("Cast", add("Transpose", value, perm=[0, 3, 1, 2]), to=ir.DataType.FLOAT)
    else:
        value = add("Cast", value, to=ir.DataType.FLOAT)
        if mean.any():
            offset = mean.astype(np.float32)
            value = add("Sub", value, add_initializer(model, f"{INPUT}_mean", offset))
        if not is_plain_colour:
            matrix = colours.T.astype(np.float32)
            value = add("MatMul", value, add_initializer(model, f"{INPUT}_colours", matrix))
        if layout == "NCHW":
            value = add("Transpose", value, perm=[0, 3, 1, 2])
    value.shape, value.type = tensor.shape, tensor.type
    ir.convenience.replace_all_uses_with(tensor, value)
    model.graph.inputs[0] = picture
    first = next(iter(model.graph))
    model.graph.insert_before(first, nodes)
