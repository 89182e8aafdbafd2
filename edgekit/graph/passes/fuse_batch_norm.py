"""Puts BatchNormalization into the weights beside it."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.edit import replace_node
from edgekit.graph.match import constants, float_of, int_of, is_op, only_producer, only_reader
from edgekit.graph.passes.affine import Affine
from edgekit.graph.passes.graph_pass import GraphPass

_ATTRIBUTES = {"epsilon", "momentum", "training_mode", "spatial"}


class FuseBatchNorm(GraphPass):
    """Turns Conv, ConvTranspose or Gemm -> BatchNormalization into the first of the two.

    Where nothing like that is in front, BatchNormalization -> Conv or Gemm becomes the second, if
    its input is not padded or the shift is zero. Leaves a pair alone when anything else reads what
    is between them, when a weight or a statistic is not constant or not finite, or when the
    normalisation is in training mode.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Fuses one BatchNormalization."""
        normalization = _scale_and_shift(node)
        if normalization is None or node.inputs[0] is None:
            return False
        before = Affine.of(only_producer(node.inputs[0], "Conv", "ConvTranspose", "Gemm"))
        if before is not None and before.change_output(model, *normalization):
            replace_node(node, with_value=before.node.outputs[0])
            return True
        after = Affine.of(only_reader(node.outputs[0]))
        if after is None or len(node.outputs[0].uses()) != 1:
            return False
        if not after.change_input(model, *normalization):
            return False
        replace_node(node, with_value=node.inputs[0])
        return True


def _scale_and_shift(node: ir.Node) -> tuple[Array, Array] | None:
    """Float64 `(scale, shift)`, [C] each, or `None` if the node does not compute just that."""
    if not is_op(node, "BatchNormalization") or len(node.outputs) != 1:
        return None
    if not _ATTRIBUTES.issuperset(node.attributes):
        return None
    if int_of(node, "training_mode", 0) or not int_of(node, "spatial", 1):
        return None
    statistics = constants(node.inputs[1:5])
    if statistics is None:
        return None
    gamma, beta, mean, variance = (array.astype(np.float64) for array in statistics)
    with np.errstate(all="ignore"):
        scale = gamma / np.sqrt(variance + float_of(node, "epsilon", 1e-5))
    shift = beta - mean * scale
    return (scale, shift) if np.isfinite(scale).all() and np.isfinite(shift).all() else None
