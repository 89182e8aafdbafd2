"""Puts constant arithmetic behind a Conv or Gemm into its weights and bias."""

import onnx_ir as ir

from edgekit.graph.edit import replace_node
from edgekit.graph.match import is_op, only_producer
from edgekit.graph.passes.affine import Affine, scale_and_shift
from edgekit.graph.passes.graph_pass import GraphPass


class FuseScaleAndBias(GraphPass):
    """Turns Conv, ConvTranspose or Gemm -> Add, Sub, Mul or Div by a constant into one node.

    Leaves a pair alone when anything else reads what is between them, or when the constant is not
    one finite number, or one for each channel; and a Div when it divides the constant.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Fuses one Add, Sub, Mul or Div."""
        if not is_op(node, "Add", "Sub", "Mul", "Div"):
            return False
        for value in node.inputs:
            before = Affine.of(only_producer(value, "Conv", "ConvTranspose", "Gemm"))
            if before is None:
                continue
            found = scale_and_shift(node, rank=before.rank, channels=before.outputs)
            if found is None or not before.change_output(model, *found[1:]):
                return False
            replace_node(node, with_value=before.node.outputs[0])
            return True
        return False
