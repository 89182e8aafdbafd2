"""The passes that make a graph simple, in the order in which they help each other."""

import onnx_ir as ir

from edgekit.graph.passes.cancel_transposes import CancelTransposes
from edgekit.graph.passes.fold_constants import FoldConstants
from edgekit.graph.passes.fold_gemm_factors import FoldGemmFactors
from edgekit.graph.passes.fold_padding import FoldPadding
from edgekit.graph.passes.fuse_batch_norm import FuseBatchNorm
from edgekit.graph.passes.fuse_input_scale import FuseInputScale
from edgekit.graph.passes.fuse_scale_and_bias import FuseScaleAndBias
from edgekit.graph.passes.graph_pass import GraphPass
from edgekit.graph.passes.matmul_to_gemm import MatMulToGemm
from edgekit.graph.passes.merge_reshapes import MergeReshapes
from edgekit.graph.passes.remove_dead_channels import RemoveDeadChannels
from edgekit.graph.passes.remove_identity import RemoveIdentity
from edgekit.graph.passes.remove_no_ops import RemoveNoOps
from edgekit.graph.passes.share_initializers import ShareInitializers
from edgekit.graph.passes.share_results import ShareResults
from edgekit.graph.passes.simplify_activations import SimplifyActivations
from edgekit.graph.passes.unwrap_softmax import UnwrapSoftmax
from edgekit.graph.shapes import infer_shapes

SIMPLIFYING: tuple[type[GraphPass], ...] = (
    FoldConstants,
    RemoveIdentity,
    RemoveNoOps,
    CancelTransposes,
    UnwrapSoftmax,
    MergeReshapes,
    MatMulToGemm,
    FoldGemmFactors,
    FuseBatchNorm,
    FuseScaleAndBias,
    FoldPadding,
    FuseInputScale,
    SimplifyActivations,
    RemoveDeadChannels,
    ShareInitializers,
    ShareResults,
)
"""Every pass that `simplify` runs."""

_MOST_ROUNDS = 20


def simplify(model: ir.Model, *, verify: bool | None = None) -> bool:
    """Infers shapes and runs all simplifying passes until none finds more to do, in place.

    Args:
        model: any valid model.
        verify: whether each pass checks its own work; see `GraphPass`.

    Returns:
        Whether a pass changed anything.

    Raises:
        UnsupportedModel: the model's shapes contradict each other.
    """
    passes = [kind(verify=verify) for kind in SIMPLIFYING]
    modified = False
    for _ in range(_MOST_ROUNDS):
        infer_shapes(model)
        changed = [one(model).modified for one in passes]
        if not any(changed):
            break
        modified = True
    return modified
