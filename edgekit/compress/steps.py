"""The steps of a recipe: the settings of each, and the function that does it."""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated, Literal

import msgspec
import onnx_ir as ir

from edgekit.array import Array
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
    equalization: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
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


class Distill(_Step, frozen=True, kw_only=True, tag="distill"):
    """Trains the artifact to answer as the original does."""

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 10
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 1e-3
    temperature: Annotated[float, msgspec.Meta(gt=0)] = 2.0


class FineTune(_Step, frozen=True, kw_only=True, tag="finetune"):
    """Trains the artifact on the labels of the data."""

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 10
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 1e-3


Step = Quantize | Slim | PruneChannels | Distill | FineTune

_FUNCTIONS: dict[type[Step], str] = {
    Quantize: "edgekit.compress.quantize:quantize",
    Slim: "edgekit.compress.slim:slim",
    PruneChannels: "edgekit.compress.slim:prune_channels",
}


def name_of(step: Step) -> str:
    """What a recipe calls a step."""
    return str(type(step).__struct_config__.tag)


def runnable_steps() -> dict[str, type[Step]]:
    """The steps that this edgekit can do, by what a recipe calls them."""
    return {str(kind.__struct_config__.tag): kind for kind in _FUNCTIONS}


def function_of(kind: type[Step]) -> Callable[..., ir.Model]:
    """What does a step: ``(model, tensors, *, progress, **settings) -> model``."""
    module, _, name = _FUNCTIONS[kind].partition(":")
    function: Callable[..., ir.Model] = getattr(import_module(module), name)
    return function


def run_step(
    step: Step, model: ir.Model, tensors: Sequence[Array], *, progress: Progress
) -> ir.Model:
    """A new model: the given one with the step done to it.

    Args:
        step: what to do.
        model: left as it is.
        tensors: unlabelled samples, as the model takes them, each a batch of one.
        progress: shows how far this is.

    Raises:
        EdgekitError: the step cannot be done to this model.
    """
    settings = {name: getattr(step, name) for name in step.__struct_fields__}
    return function_of(type(step))(model, tensors, **settings, progress=progress)


def require_runnable(steps: Sequence[Step], *, where: str) -> None:
    """Refuses steps that this edgekit cannot do yet, before any work.

    Raises:
        ConfigError: names each.
    """
    mistakes = [
        f"steps[{number}].do: {name_of(step)!r} needs edgekit's learning engine, which is not "
        "there yet; leave the step out"
        for number, step in enumerate(steps)
        if type(step) not in _FUNCTIONS
    ]
    if mistakes:
        raise ConfigError(where, mistakes)


def size_in_bytes(size: str) -> int:
    """Bytes of a `Size`: k and M are 1,000 and 1,000,000, Ki and Mi 1,024 and 1,048,576."""
    text = size.strip().removesuffix("B").strip()
    number = text.rstrip("kMi").strip()
    unit = text[len(text.rstrip("kMi")) :]
    return round(float(number) * {"": 1, "k": 1e3, "M": 1e6, "ki": 1024, "Mi": 1024**2}[unit])
