"""Says by padding what a pool's `ceil_mode` says.

Onnx's shape inference counts a last window that lies in the padding alone, or past it; ONNX
Runtime leaves it out. With the padding in place and `ceil_mode` gone, both count alike.
"""

import onnx_ir as ir

from edgekit.errors import UnsupportedModel
from edgekit.graph.match import int_of, ints_of, is_op, static_shape, string_of
from edgekit.graph.shapes import infer_shapes


def remove_ceil_mode(model: ir.Model) -> None:
    """Rewrites the pools of a model with known shapes, in place; keeps its shapes right.

    Leaves a mean alone that counts padding, but not what the last window sees beyond it.

    Raises:
        UnsupportedModel: such a mean, where shape inference goes wrong.
    """
    for node in list(model.graph):
        if is_op(node, "MaxPool", "AveragePool") and int_of(node, "ceil_mode", 0):
            sizes, inferred = static_shape(node.inputs[0]), static_shape(node.outputs[0])
            if sizes is None or inferred is None:
                continue
            _rewrite(node, sizes[2:], inferred[2:])
            for other in model.graph:
                for value in other.outputs:
                    value.shape = None
            infer_shapes(model)


def _rewrite(node: ir.Node, sizes: tuple[int, ...], inferred: tuple[int, ...]) -> None:
    if string_of(node, "auto_pad", "NOTSET").startswith("SAME"):
        node.attributes.pop("ceil_mode")
        return
    axes = len(sizes)
    kernel = ints_of(node, "kernel_shape") or [1] * axes
    strides = ints_of(node, "strides") or [1] * axes
    dilations = ints_of(node, "dilations") or [1] * axes
    pads = ints_of(node, "pads") or [0] * (2 * axes)
    outs, ends = [], []
    for axis, size in enumerate(sizes):
        reach, begin, end = (
            (kernel[axis] - 1) * dilations[axis] + 1,
            pads[axis],
            pads[axes + axis],
        )
        whole, left = divmod(size + begin + end - reach, strides[axis])
        starts_inside = (whole + 1) * strides[axis] < size + begin
        outs.append(whole + 1 + (left > 0 and starts_inside))
        ends.append(max((outs[-1] - 1) * strides[axis] + reach - size - begin, end))
    if not any(pads):
        node.attributes.pop("count_include_pad", None)
    counts_padding = int_of(node, "count_include_pad", 0)
    if counts_padding and ends != pads[axes:]:
        if tuple(outs) != inferred:
            raise UnsupportedModel(
                f"node {node.name!r}: TFLite export cannot write an AveragePool with ceil_mode and "
                "count_include_pad whose last window lies in the padding; pad it by a Pad node"
            )
        return
    node.attributes.pop("ceil_mode")
    node.attributes.pop("auto_pad", None)
    node.attributes["pads"] = ir.AttrInt64s("pads", [*pads[:axes], *ends])
