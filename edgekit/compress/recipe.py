"""The recipe: the TOML file of steps that turn a model into a bundle. See `docs/recipes.md`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgekit.bundle.manifest import Name, Task, Version
from edgekit.bundle.picture import ChannelOrder, Fit, Pixels
from edgekit.compress.steps import Precision, Quantize, Share, Size, Step
from edgekit.config import load_toml

Format = Literal["onnx", "tflite"]
Convention = Literal["caffe", "torchvision", "unit", "symmetric", "raw", "raw-bgr"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a recipe: unknown keys are mistakes."""


class InputRecipe(_Table, frozen=True, kw_only=True):
    """How a picture becomes what the model was trained on."""

    convention: Convention | None = None
    height: Pixels | None = None
    width: Pixels | None = None
    fit: Fit = "crop"
    resize_shorter: Pixels | None = None
    channels: ChannelOrder | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, msgspec.Meta(gt=0)], ...] | None = None
    pad: Annotated[int, msgspec.Meta(ge=0, le=255)] = 114

    @property
    def says_how(self) -> bool:
        """Whether it says what the model takes, or leaves that to be found out."""
        return any(
            part is not None for part in (self.convention, self.channels, self.mean, self.std)
        )


class CalibrateRecipe(_Table, frozen=True, kw_only=True):
    """Which samples the ranges of activations are read from."""

    samples: Annotated[int, msgspec.Meta(ge=1)] = 100
    seed: int = 0


class Gates(_Table, frozen=True, kw_only=True):
    """What an artifact has to hold, or the command fails; a bundle that misses is not written.

    Agreement and KL divergence are over samples that were not calibrated on.
    """

    agreement: Share | None = None
    """The least share of samples that get the original's class."""
    kl: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """The most divergence from the original's probabilities, mean over samples, in nats."""
    top1_drop: Annotated[float, msgspec.Meta(ge=0)] | None = None
    """The most top-1 accuracy that may be lost, in points, beyond what chance explains."""
    size: Size | None = None
    """The most bytes that the model file may travel with, under xz."""
    latency: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """The most time for one sample, as a share of the original's, one thread."""


class BundleRecipe(_Table, frozen=True, kw_only=True):
    """What else the bundle carries."""

    variants: tuple[Precision, ...] = ()
    """The model without INT8, for boards where that is faster: in 32 bits, or stored in 16."""


class Recipe(_Table, frozen=True, kw_only=True):
    """All of a recipe; every part has a default."""

    name: Name | None = None
    version: Version = "1.0.0"
    task: Task | None = None
    labels: Path | None = None
    input: InputRecipe = msgspec.field(default_factory=InputRecipe)
    calibrate: CalibrateRecipe = msgspec.field(default_factory=CalibrateRecipe)
    steps: tuple[Step, ...] = (Quantize(),)
    gates: Gates = msgspec.field(default_factory=Gates)
    formats: Annotated[tuple[Format, ...], msgspec.Meta(min_length=1)] = ("onnx",)
    bundle: BundleRecipe = msgspec.field(default_factory=BundleRecipe)
    build: dict[str, Any] = {}

    def writing(self, formats: Sequence[Format], variants: Sequence[Precision] = ()) -> "Recipe":
        """The same for other formats or variants; itself where none is given."""
        changed = msgspec.structs.replace(self, formats=tuple(formats)) if formats else self
        if not variants:
            return changed
        bundle = msgspec.structs.replace(self.bundle, variants=tuple(dict.fromkeys(variants)))
        return msgspec.structs.replace(changed, bundle=bundle)


def load_recipe(path: Path | None) -> Recipe:
    """Reads a recipe; without a path, the one of defaults.

    Raises:
        ConfigError: every mistake at once.
    """
    return Recipe() if path is None else load_toml(path, Recipe)
