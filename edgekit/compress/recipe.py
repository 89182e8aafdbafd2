"""The recipe: the TOML file of steps that turn a model into a bundle. See `docs/recipes.md`."""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgekit.bundle.manifest import Name, Task, Version
from edgekit.bundle.picture import ChannelOrder, Fit, Pixels
from edgekit.config import load_toml

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


class QuantizeRecipe(_Table, frozen=True, kw_only=True):
    """How weights and activations become integers."""

    mode: Literal["int8", "none"] = "int8"
    full_range: bool = False
    exclude: tuple[str, ...] = ()


class Recipe(_Table, frozen=True, kw_only=True):
    """All of a recipe; every part has a default."""

    name: Name | None = None
    version: Version = "1.0.0"
    task: Task | None = None
    labels: Path | None = None
    input: InputRecipe = msgspec.field(default_factory=InputRecipe)
    calibrate: CalibrateRecipe = msgspec.field(default_factory=CalibrateRecipe)
    quantize: QuantizeRecipe = msgspec.field(default_factory=QuantizeRecipe)
    build: dict[str, Any] = {}


def load_recipe(path: Path | None) -> Recipe:
    """Reads a recipe; without a path, the one of defaults.

    Raises:
        ConfigError: every mistake at once.
    """
    return Recipe() if path is None else load_toml(path, Recipe)
