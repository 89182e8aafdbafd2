"""Lets a Conv pad its input itself."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.edit import replace_node
from edgekit.graph.match import constant, input_of, ints_of, is_op, only_reader, string_of
from edgekit.graph.passes.graph_pass import GraphPass


class FoldPadding(GraphPass):
    """Turns Pad -> Conv into one Conv.

    Leaves a pair alone when anything else reads what is between them; when the Pad does not pad
    with zeros, or pads the batch or the channels, or crops; and when the Conv finds its padding
    itself or has none of its own rank written down.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Folds one Pad."""
        pads = _zero_pads(node)
        conv = only_reader(node.outputs[0]) if pads is not None else None
        if pads is None or conv is None or not is_op(conv, "Conv") or node.inputs[0] is None:
            return False
        begins, ends = np.split(pads, 2)
        if conv.inputs[0] is not node.outputs[0] or len(node.outputs[0].uses()) != 1:
            return False
        if string_of(conv, "auto_pad", "NOTSET") not in ("NOTSET", "VALID") or len(begins) < 3:
            return False
        if (pads < 0).any() or begins[:2].any() or ends[:2].any():
            return False
        added = np.concatenate([begins[2:], ends[2:]])
        own = ints_of(conv, "pads") or [0] * len(added)
        conv.attributes.pop("auto_pad", None)
        conv.attributes.add(ir.AttrInt64s("pads", [int(n) for n in added + np.array(own)]))
        replace_node(node, with_value=node.inputs[0])
        return True


def _zero_pads(node: ir.Node) -> Array | None:
    """How much a Pad adds on each side: int64 [2 * rank], all begins before all ends."""
    if not is_op(node, "Pad") or string_of(node, "mode", "constant") != "constant":
        return None
    if input_of(node, 3) is not None:  # axes
        return None
    fill = input_of(node, 2)
    number = constant(fill)
    if "value" in node.attributes or (fill is not None and (number is None or number.any())):
        return None
    given = input_of(node, 1)
    if given is not None:
        return constant(given)
    pads = ints_of(node, "pads")
    return None if pads is None else np.array(pads)
