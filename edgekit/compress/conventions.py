"""How a picture model wants its pixels: what a recipe says, or what labelled pictures show."""

from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np

from edgekit.bundle import PictureRule
from edgekit.bundle.picture import ChannelOrder
from edgekit.compress.answers import Candidate
from edgekit.compress.data import PictureFolder
from edgekit.compress.progress import Progress
from edgekit.compress.recipe import Convention, InputRecipe
from edgekit.compress.statistics import top_k_accuracy
from edgekit.errors import ConfigError

CONVENTIONS: dict[Convention, tuple[ChannelOrder, tuple[float, ...], tuple[float, ...]]] = {
    "caffe": ("BGR", (104.0, 117.0, 123.0), (1.0,)),
    "torchvision": ("RGB", (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    "unit": ("RGB", (0.0,), (255.0,)),
    "symmetric": ("RGB", (127.5,), (127.5,)),
    "raw": ("RGB", (0.0,), (1.0,)),
    "raw-bgr": ("BGR", (0.0,), (1.0,)),
}
"""The ways in which published models take 0-255 pixels: channel order, mean, divisor."""

_SHARE_OF_CUT = 0.875  # ImageNet's usual 224 from 256
_SAMPLES = 64


def picture_rule(recipe: InputRecipe, shape: tuple[int, ...], *, where: str) -> PictureRule:
    """The rule that turns a picture into a model's input of this shape.

    Args:
        recipe: what the recipe says; torchvision's convention fills in what it doesn't.
        shape: `[1, planes, height, width]` or `[1, height, width, planes]`.
        where: what to call the recipe in an error.

    Raises:
        ConfigError: the recipe and the shape contradict each other.
    """
    layout: Literal["NCHW", "NHWC"] = "NCHW" if shape[1] in (1, 3) else "NHWC"
    planes, height, width = shape[1:] if layout == "NCHW" else (shape[3], shape[1], shape[2])
    if (recipe.height or height, recipe.width or width) != (height, width):
        raise ConfigError(
            where,
            [f"input: says {recipe.height} x {recipe.width}, the model takes {height} x {width}"],
        )
    channels, mean, std = CONVENTIONS[recipe.convention or "torchvision"]
    if planes == 1:
        channels, mean, std = "GRAY", (sum(mean) / len(mean),), (sum(std) / len(std),)
    resize_shorter = recipe.resize_shorter
    if resize_shorter is None and recipe.fit == "crop" and min(height, width) >= 128:
        resize_shorter = round(max(height, width) / _SHARE_OF_CUT)
    try:
        rule = PictureRule(
            height=height,
            width=width,
            fit=recipe.fit,
            resize_shorter=resize_shorter,
            layout=layout,
            channels=recipe.channels or channels,
            mean=mean if recipe.mean is None else recipe.mean,
            std=std if recipe.std is None else recipe.std,
            pad=recipe.pad,
        )
    except ValueError as error:
        raise ConfigError(where, [f"input: {error}"]) from error
    if rule.planes != planes:
        raise ConfigError(
            where,
            [f"input.channels: {rule.channels} is {rule.planes} planes, the model takes {planes}"],
        )
    return rule


def find_convention(
    fed_by: Callable[[InputRecipe], Candidate],
    data: PictureFolder,
    recipe: InputRecipe,
    *,
    progress: Progress,
) -> InputRecipe:
    """The convention under which the model classifies labelled pictures best.

    A model file does not say how its pixels were scaled when it was trained, and a wrong guess
    costs all accuracy without an error. Without labels torchvision's is assumed, aloud.

    Args:
        fed_by: the model, fed as a recipe says.
        data: the pictures.
        recipe: what is known: its `convention` is filled in.
        progress: hears what was found.
    """
    if data.targets is None or not (data.targets >= 0).any():
        progress.say(
            "preprocessing: assumed torchvision's (RGB, ImageNet's mean and deviation): no picture "
            "has a label to find it out by; a recipe can say [input] convention = ..."
        )
        return msgspec.structs.replace(recipe, convention="torchvision")
    known = np.flatnonzero(data.targets >= 0)
    chosen = np.random.default_rng(0).permutation(known)[:_SAMPLES]
    accuracy: dict[Convention, float] = {}
    for convention in progress.track(
        CONVENTIONS, "finding the preprocessing", total=len(CONVENTIONS)
    ):
        candidate = fed_by(msgspec.structs.replace(recipe, convention=convention))
        assert candidate.input.picture is not None
        pictures = data.samples(candidate.input.picture).data
        answers = candidate.answers(pictures[int(index)] for index in chosen)
        accuracy[convention] = top_k_accuracy(answers, data.targets[chosen], 1) or 0.0
    best = max(accuracy, key=lambda convention: accuracy[convention])
    shown = ", ".join(f"{convention} {share:.0%}" for convention, share in accuracy.items())
    progress.say(f"preprocessing: {best}, by top-1 on {len(chosen)} labelled pictures ({shown})")
    return msgspec.structs.replace(recipe, convention=best)
