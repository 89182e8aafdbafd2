"""The steps of a recipe that make a model slimmer."""

from collections.abc import Sequence
from typing import Literal

import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.factorize.factoring import ways
from edgekit.compress.layers import linear_layers
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.prune.channels import Channels
from edgekit.compress.prune.choosing import Chooser
from edgekit.compress.prune.importance import output_importance
from edgekit.compress.prune.moments import input_moments
from edgekit.compress.prune.tracing import trace
from edgekit.compress.slim.allocation import Option, allocate, everything
from edgekit.compress.slim.damage import Damage
from edgekit.compress.slim.measuring import Bench
from edgekit.compress.slim.rebuilding import rebuilt
from edgekit.compress.slim.slimming import Costs, Slimming
from edgekit.errors import UnsupportedModel
from edgekit.graph.shapes import infer_shapes

Move = Literal["pools", "channels", "ranks"]

_ASKED = 24
_WORTH = 0.01


def slim(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    keep_macs: float = 0.66,
    multiple: int = 8,
    progress: Progress | None = None,
) -> ir.Model:
    """A new model that needs fewer multiply-accumulates, by whatever costs the answer least.

    It may pool before the last 1 x 1 Conv instead of after it, take out channels, and write a
    layer as two of lower rank. Each is measured alone, on the answer itself; what is done is what
    comes to the least together; and every layer behind is fitted anew. No labels are needed.

    Args:
        model: a canonical float model; left as it is.
        tensors: unlabelled samples as it takes them, each a batch of one; 100 are good.
        keep_macs: the share of the multiply-accumulates that may be left.
        multiple: channels and ranks are counted in these; runtimes compute 8 as fast as 5.
        progress: shows how far this is.

    Raises:
        UnsupportedModel: it cannot be made that slim.
    """
    return _slimmer(model, tensors, keep_macs, ("pools", "channels", "ranks"), multiple, progress)


def prune_channels(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    keep_macs: float = 0.66,
    multiple: int = 8,
    progress: Progress | None = None,
) -> ir.Model:
    """A new model with fewer channels: `slim` without its other means.

    Args:
        model: a canonical float model; left as it is.
        tensors: unlabelled samples as it takes them, each a batch of one; 100 are good.
        keep_macs: the share of the multiply-accumulates that may be left.
        multiple: channels are counted in these; runtimes compute 8 as fast as 5.
        progress: shows how far this is.

    Raises:
        UnsupportedModel: it cannot be made that slim.
    """
    return _slimmer(model, tensors, keep_macs, ("channels",), multiple, progress)


def _slimmer(
    model: ir.Model,
    tensors: Sequence[Array],
    keep_macs: float,
    moves: Sequence[Move],
    multiple: int,
    progress: Progress | None,
) -> ir.Model:
    progress = progress or Silent()
    model = infer_shapes(model.clone())
    known = trace(model)
    groups = known.groups()
    layers = {str(layer.output.name): layer for layer in linear_layers(model)}
    costs = Costs(model, known, groups)
    asked = tensors[:_ASKED]
    axes = {name: 1 if layer.is_conv else -1 for name, layer in layers.items()}
    importance = output_importance(model, axes, asked)
    moments = input_moments(model, list(layers.values()), tensors)
    bench = Bench(model, layers, moments, importance, Damage(model, asked), multiple)
    chooser = Chooser(known, layers, moments, importance)
    choices: list[list[Option]] = []
    if "pools" in moves:
        choices += [[option] for option in bench.pools()]
    if "channels" in moves:
        for group in progress.track(groups, "measuring channels", total=len(groups)):
            choices.append(list(bench.channels(group, chooser)))
    if "ranks" in moves:
        big = [name for name, layer in layers.items() if ways(layer) and costs.share(name) > _WORTH]
        for name in progress.track(big, "measuring ranks", total=len(big)):
            choices.append(list(bench.ranks(name)))
    whole = costs.macs(Slimming())
    slimming = allocate(choices, costs.macs, keep_macs * whole)
    if slimming is None:
        least = costs.macs(everything(choices)) / whole
        raise UnsupportedModel(
            f"cannot be slimmed to {keep_macs:.0%} of its multiply-accumulates; at most to "
            f"{least:.0%}: {_reasons(known)}"
        )
    for line in slimming.lines():
        progress.say(line)
    kept = [(group, slimming.kept.get(group.name, len(group.units))) for group in groups]
    return rebuilt(model, tensors, slimming, chooser.choose(kept), importance, progress=progress)


def _reasons(known: Channels) -> str:
    declined = known.declined()
    if not declined:
        return "more would leave nothing of its answer"
    (name, reason), *others = declined.items()
    more = f", and {len(others)} more layers stay" if others else ""
    return f"the channels of {name!r} stay, {reason}{more}"
