"""Orders channels by what they are, without asking their readers: for comparison, and for speed."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.prune.channels import Channels, Role
from edgekit.compress.prune.importance import fisher_gradients
from edgekit.graph.match import constant
from edgekit.graph.observe import Observer


def l1_scores(channels: Channels) -> dict[int, float]:
    """The mean absolute weight with which each unit is made (Li et al., 2017, arXiv:1608.08710)."""
    scores: dict[int, float] = {}
    for piece in channels.slices:
        weights = constant(piece.node.inputs[piece.input_index])
        if piece.role is not Role.MAKES or weights is None:
            continue
        rows = np.abs(np.moveaxis(weights, piece.axis, 0)).reshape(len(piece.units), -1)
        _add(scores, channels.roots(piece.units), rows.mean(axis=1))
    return scores


def taylor_scores(
    model: ir.Model, channels: Channels, tensors: Sequence[Array]
) -> dict[int, float]:
    """The squared first-order change of the answer when a unit is made zero.

    Molchanov et al., 2019, arXiv:1906.10771, with the answer's own distribution in place of
    labels.

    Raises:
        UnsupportedModel: the model cannot be differentiated.
    """
    makers = {
        str(piece.node.outputs[0].name): piece
        for piece in channels.slices
        if piece.role is Role.MAKES
    }
    axes = {name: 1 if piece.node.op_type == "Conv" else -1 for name, piece in makers.items()}
    observer = Observer(model, list(makers))
    scores: dict[int, float] = {}
    for number, found in enumerate(fisher_gradients(model, list(makers), tensors)):
        if number % 2 == 0:
            values = observer.run(tensors[number // 2])
        first_order: dict[int, float] = {}
        for name, piece in makers.items():
            product = np.moveaxis(values[name] * found[name], axes[name], 0)
            change = product.reshape(len(piece.units), -1).sum(axis=1, dtype=np.float64)
            _add(first_order, channels.roots(piece.units), change)
        for unit, change in first_order.items():
            scores[unit] = scores.get(unit, 0.0) + change**2
    return scores


def _add(scores: dict[int, float], units: Array, numbers: Array) -> None:
    for unit, number in zip(units, numbers, strict=True):
        scores[int(unit)] = scores.get(int(unit), 0.0) + float(number)
