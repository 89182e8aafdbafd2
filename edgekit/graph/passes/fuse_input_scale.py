"""Puts constant arithmetic in front of a Conv or Gemm into its weights and bias."""

import onnx_ir as ir

from edgekit.graph.edit import replace_node
from edgekit.graph.match import is_op, only_reader
from edgekit.graph.passes.affine import Affine, scale_and_shift
from edgekit.graph.passes.graph_pass import GraphPass


class FuseInputScale(GraphPass):
    """Turns Add, Sub, Mul or Div by a constant -> Conv or Gemm into the second of the two.

    Leaves a pair alone when anything else reads what is between them; when the constant is not one
    finite number, or one for each channel; when a shift meets padding, which it would have to
    shift too; and a ConvTranspose.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Fuses one Add, Sub, Mul or Div."""
        if not is_op(node, "Add", "Sub", "Mul", "Div") or len(node.outputs[0].uses()) != 1:
            return False
        after = Affine.of(only_reader(node.outputs[0]))
        if after is None:
            return False
        found = scale_and_shift(node, rank=after.rank, channels=after.inputs, shape_is_known=False)
        if found is None or not after.change_input(model, *found[1:]):
            return False
        replace_node(node, with_value=found[0])
        return True
