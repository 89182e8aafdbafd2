"""The steps of a recipe: the settings of each, and the function that does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Literal

import msgspec
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.outcome import Outcome
from edgekit.compress.progress import Progress
from edgekit.errors import ConfigError

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]
Size = Annotated[str, msgspec.Meta(pattern=r"\A\s*\d+(\.\d+)?\s*([kM]i?)?B\s*\Z")]
"""Bytes with a unit: 480 kB, 1.2 MB, 481280 B."""
Bits = Annotated[int, msgspec.Meta(ge=2, le=8)]
Precision = Literal["fp32", "fp16"]


class _Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """A step's settings: the keyword arguments of its function, by the same names."""


class Quantize(_Step, frozen=True, kw_only=True, tag="quantize"):
    """Static INT8: see `edgekit.compress.quantize.quantize`."""

    size: Size | None = None
    price: Annotated[float, msgspec.Meta(ge=0)] = 0.7
    rounding: Literal["least-squares", "nearest"] = "least-squares"
    asymmetric: bool | None = None
    calibrator: Literal["min-max", "percentile", "mse", "entropy"] | None = None
    equalization: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    views: Annotated[int, msgspec.Meta(ge=0)] | None = None
    full_range: bool = False
    keep: dict[str, Precision] = {}
    seed: int = 0


class Slim(_Step, frozen=True, kw_only=True, tag="slim"):
    """Fewer multiply-accumulates by whatever costs least: see `edgekit.compress.slim.slim`."""

    keep_macs: Share = 0.66
    multiple: Annotated[int, msgspec.Meta(ge=1)] = 8


class PruneChannels(_Step, frozen=True, kw_only=True, tag="prune-channels"):
    """Fewer channels: see `edgekit.compress.slim.prune_channels`."""

    keep_macs: Share = 0.66
    multiple: Annotated[int, msgspec.Meta(ge=1)] = 8


class _Training(_Step, frozen=True, kw_only=True):
    """The settings of every step that trains: see `edgekit.compress.tuning.steps`."""

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 60
    rate: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.0005
    rows: Annotated[int, msgspec.Meta(ge=1)] = 16
    trainable: tuple[str, ...] = ()
    augment: bool = True
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0


class Distill(_Training, frozen=True, kw_only=True, tag="distill"):
    """Learning the original's answers: see `edgekit.compress.tuning.distill`."""

    temperature: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    mix: bool = False


class FineTune(_Training, frozen=True, kw_only=True, tag="finetune"):
    """Learning the data's labels: see `edgekit.compress.tuning.finetune`."""


Step = Quantize | Slim | PruneChannels | Distill | FineTune

_FUNCTIONS: dict[type[Step], str] = {
    Quantize: "edgekit.compress.quantize:quantize",
    Slim: "edgekit.compress.slim:slim",
    PruneChannels: "edgekit.compress.slim:prune_channels",
    Distill: "edgekit.compress.tuning:distill",
    FineTune: "edgekit.compress.tuning:finetune",
}


@dataclass(frozen=True)
class Given:
    """What the steps of a recipe may look at besides the model.

    Attributes:
        tensors: samples to calibrate with, as the model takes them, each a batch of one.
        original: the float model, before any step.
        targets: int64 `[len(tensors)]`, the class of each or -1; `None` where no class is known.
    """

    tensors: Sequence[Array]
    original: ir.Model
    targets: Array | None = None


def name_of(step: Step) -> str:
    """What a recipe calls a step."""
    return str(type(step).__struct_config__.tag)


def runnable_steps() -> dict[str, type[Step]]:
    """The steps that there are, by what a recipe calls them."""
    return {str(kind.__struct_config__.tag): kind for kind in _FUNCTIONS}


def function_of(kind: type[Step]) -> Callable[..., ir.Model | Outcome]:
    """What does a step: ``(model, tensors, *, progress, **settings) -> model``.

    `distill` takes `original` besides, and `finetune` takes `targets`; both say how it went.
    """
    module, _, name = _FUNCTIONS[kind].partition(":")
    function: Callable[..., ir.Model | Outcome] = getattr(import_module(module), name)
    return function


def run_step(step: Step, model: ir.Model, given: Given, *, progress: Progress) -> Outcome:
    """A new model: the given one with the step done to it, and how a training went.

    Args:
        step: what to do.
        model: left as it is.
        given: what the step may look at.
        progress: shows how far this is.

    Raises:
        EdgekitError: the step cannot be done to this model, or with these samples.
    """
    settings = {name: getattr(step, name) for name in step.__struct_fields__}
    if isinstance(step, Distill):
        settings["original"] = given.original
    if isinstance(step, FineTune):
        settings["targets"] = given.targets
    done = function_of(type(step))(model, given.tensors, **settings, progress=progress)
    return done if isinstance(done, Outcome) else Outcome(done)


def require_runnable(steps: Sequence[Step], *, where: str, has_targets: bool = True) -> None:
    """Refuses steps that cannot be done after one another, or with this data, before any work.

    Args:
        steps: in order.
        where: what to call them in an error.
        has_targets: whether the data has labels, as far as that is known.

    Raises:
        ConfigError: names each.
    """
    mistakes = []
    quantized = False
    for number, step in enumerate(steps):
        name = name_of(step)
        if quantized and isinstance(step, Distill | FineTune):
            mistakes.append(f"steps[{number}].do: {name!r} trains floats; put it before 'quantize'")
        if isinstance(step, FineTune) and not has_targets:
            mistakes.append(
                f"steps[{number}].do: {name!r} learns from labels, and the data has none; "
                "label it, or say 'distill'"
            )
        quantized = quantized or isinstance(step, Quantize)
    if mistakes:
        raise ConfigError(where, mistakes)


def size_in_bytes(size: str) -> int:
    """Bytes of a `Size`: k and M are 1,000 and 1,000,000, Ki and Mi 1,024 and 1,048,576."""
    text = size.strip().removesuffix("B").strip()
    number = text.rstrip("kMi").strip()
    unit = text[len(text.rstrip("kMi")) :]
    return round(float(number) * {"": 1, "k": 1e3, "M": 1e6, "ki": 1024, "Mi": 1024**2}[unit])
