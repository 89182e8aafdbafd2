"""Static INT8: uint8 activations and int8 weights, in the form that onnxruntime and LiteRT fuse."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import onnx_ir as ir

from edgekit.array import Array
from edgekit.bundle.writing import travels_bytes
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.quantize.allocation import Allocation, allocate
from edgekit.compress.quantize.prepared import Draft, Prepared, prepare_model
from edgekit.compress.quantize.ranges import Calibrator
from edgekit.compress.quantize.rules import least_squares, nearest, priced
from edgekit.compress.quantize.views import further_views
from edgekit.compress.quantize.weights import Rule
from edgekit.compress.steps import Precision, size_in_bytes
from edgekit.errors import ConfigError, UnsupportedModel

Rounding = Literal["least-squares", "nearest"]

_FULL, _REDUCED = 127, 63
_ATTEMPTS = 6
_NEAR = 0.99
_TRIED = 50
"""How many samples are enough to try a way of rounding, or to see what size a level gives."""
_EQUALIZATION = 0.5
_VIEWS = 2


def quantize(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    size: str | None = None,
    price: float = 0.7,
    rounding: Rounding = "least-squares",
    asymmetric: bool | None = None,
    calibrator: Calibrator | None = None,
    equalization: float | None = None,
    views: int | None = None,
    full_range: bool = False,
    keep: Mapping[str, Precision] = MappingProxyType({}),
    seed: int = 0,
    progress: Progress | None = None,
) -> ir.Model:
    """The model with its linear algebra in 8-bit integers.

    Jacob et al., 2018, arXiv:1712.05877. Activations are uint8, weights int8 (U8S8), as both
    onnxruntime and LiteRT have fast kernels for. Channels are equalised, weights are rounded so
    that each layer's output changes least, given what the layers before it did, and biases make
    good the mean. The last answer keeps its resolution: logits stay in float.

    Args:
        model: in canonical form, with one input; left as it is.
        tensors: unlabelled samples, as the model takes them, each a batch of one.
        size: what the model's file may have when it travels (under xz). Weights then have fewer
            bits, more where the answer depends on them. Without it, 8 bits for every weight.
        price: how dear a bit is when a weight is rounded, with `size`: 1 is what it is worth.
        rounding: `nearest` rounds each weight by itself.
        asymmetric: whether weights also make good what the layers before did to the input. It
            is what holds a chain of coarse layers together, and does harm around residual
            connections; by default what is better on samples that it was not fitted to.
        calibrator: how the ranges of activations are chosen; by default what changes the answer
            least.
        equalization: 0 leaves the channels as they are, 1 makes them equally large. By default
            0.5; with `size` 0: there all channels share one step, and gain nothing by it.
        views: how often more each picture is looked at, mirrored and cut by chance, when weights
            are rounded; by default 2 with `size`, else 0. Samples that are no pictures have none.
        full_range: use all 8 bits of the weights. Without it they have 7, and no x86 CPU
            saturates: those without VNNI add pairs of products in 16 bits, and full-range
            weights overflow them. ARM CPUs are right either way.
        keep: layers that stay in float, by name, with what their weights are stored in.
        seed: of everything by chance.
        progress: shows how far this is.

    Raises:
        ConfigError: `size` with `rounding = "nearest"`: weights of few bits need least squares.
        UnsupportedModel: there is no layer to quantise, `keep` names one that is not there, or
            the size cannot be reached.
    """
    progress = progress or Silent()
    if size is not None and rounding == "nearest":
        raise ConfigError("quantize", ["rounding: nearest cannot reach a size; leave one out"])
    if equalization is None:
        equalization = 0.0 if size is not None else _EQUALIZATION
    if views is None:
        views = _VIEWS if size is not None else 0
    limit = _FULL if full_range else _REDUCED
    prepared = prepare_model(
        model,
        tensors,
        keep=keep,
        calibrator=calibrator,
        equalization=equalization,
        seed=seed,
        progress=progress,
    )
    fitted = [*tensors, *further_views(tensors, views, seed=seed)]
    if size is not None:
        goal = size_in_bytes(size)
        return _sized(prepared, tensors, fitted, goal, limit, price, asymmetric, progress)
    if rounding == "nearest":
        return prepared.finished(prepared.draft(nearest(limit=limit), fitted, progress))

    def rule_of(asymmetric: bool) -> Rule:
        return least_squares(limit=limit, asymmetric=asymmetric)

    if asymmetric is None:
        asymmetric = _asymmetric_is_better(prepared, rule_of, tensors, progress)
    return prepared.finished(prepared.draft(rule_of(asymmetric), fitted, progress))


def _sized(
    prepared: Prepared,
    tensors: Sequence[Array],
    fitted: Sequence[Array],
    goal: int,
    limit: int,
    price: float,
    asymmetric: bool | None,
    progress: Progress,
) -> ir.Model:
    """Rounds to as fine steps as the size allows."""
    rest = _travels_bytes(prepared.without_weights())
    if goal <= rest:
        raise UnsupportedModel(f"cannot have {goal:,} bytes: {rest:,} are not weights")
    allocation = allocate(
        prepared.original, tensors, names=tuple(prepared.inputs), limit=limit, progress=progress
    )
    level = allocation.level_for(goal - rest)
    if asymmetric is None:
        asymmetric = _asymmetric_is_better(
            prepared,
            lambda way: priced(allocation, level, price=price, asymmetric=way),
            tensors,
            progress,
        )

    def draft_at(level: float, samples: Sequence[Array]) -> Draft:
        rule = priced(allocation, level, price=price, asymmetric=asymmetric)
        return prepared.draft(rule, samples, progress)

    few = tensors[:_TRIED]
    if len(few) < len(fitted):  # the size hardly depends on what weights are fitted to
        level = _approach(
            goal, level, allocation, lambda level: draft_at(level, few), prepared
        ).level
    found = _approach(goal, level, allocation, lambda level: draft_at(level, fitted), prepared)
    if found.model is None:
        raise UnsupportedModel(
            f"cannot have {goal:,} bytes: came to {found.travels_bytes:,}; say a larger size"
        )
    return found.model


@dataclass(frozen=True)
class _Approach:
    """How near a size was come to.

    Attributes:
        level: of cost, of the last draft.
        model: the largest within the size, if there was one.
        travels_bytes: of it, or of the last draft.
    """

    level: float
    model: ir.Model | None
    travels_bytes: int


def _approach(
    goal: int,
    level: float,
    allocation: Allocation,
    draft_at: Callable[[float], Draft],
    prepared: Prepared,
) -> _Approach:
    """Moves the level until a draft has nearly the size."""
    best: _Approach | None = None
    for _ in range(_ATTEMPTS):
        draft = draft_at(level)
        made = prepared.finished(draft)
        got = _travels_bytes(made)
        if got <= goal and (best is None or got > best.travels_bytes):
            best = _Approach(level, made, got)
        is_finest = got <= goal and allocation.is_finest(level)
        wanted = draft.entropy + goal * (1 + _NEAR) / 2 - got
        if _NEAR * goal <= got <= goal or is_finest or wanted <= 0 or draft.entropy == 0:
            break
        level = allocation.moved(level, factor=wanted / draft.entropy)
    return best or _Approach(level, None, got)


def _travels_bytes(model: ir.Model) -> int:
    return travels_bytes(ir.to_proto(model).SerializeToString())


def _asymmetric_is_better(
    prepared: Prepared,
    rule_of: Callable[[bool], Rule],
    tensors: Sequence[Array],
    progress: Progress,
) -> bool:
    """Tries both on a few samples, and judges by others."""
    half = min(_TRIED, max(1, len(tensors) // 2))
    fitted, others = tensors[:half], tensors[half : 2 * half] or tensors
    changes = [
        prepared.change(prepared.draft(rule_of(way), fitted, progress), others)
        for way in (False, True)
    ]
    return changes[1] < changes[0]
