"""The training recipe: the TOML file that says what to train, on what and how.

`docs/training.md` explains each setting.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edgekit.bundle.manifest import Name
from edgekit.compress.recipe import InputRecipe
from edgekit.config import load_toml

Count = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
ScoreName = Literal["accuracy", "f1", "precision", "recall", "roc-auc"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a recipe: unknown keys are mistakes."""


class SklearnData(_Table, frozen=True, kw_only=True, tag_field="kind", tag="sklearn"):
    """A data set that ships with scikit-learn; `digits` are pictures, the others arrays."""

    name: Literal["breast_cancer", "diabetes", "digits", "iris", "wine"]


class ArrayData(_Table, frozen=True, kw_only=True, tag_field="kind", tag="arrays"):
    """Arrays: an .npz with `x` and perhaps `y`, or an .npy of `x` alone."""

    path: Path


class PictureData(_Table, frozen=True, kw_only=True, tag_field="kind", tag="pictures"):
    """A folder of pictures with a subfolder a class or a `labels.csv`."""

    path: Path


class RowData(_Table, frozen=True, kw_only=True, tag_field="kind", tag="rows"):
    """Windows of the rows of a CSV file; `target` is the column of each row's class."""

    path: Path
    window: Annotated[int, msgspec.Meta(ge=2)] = 32
    hop: Count = 8
    columns: tuple[str, ...] | None = None
    target: str | None = None


class MachineData(_Table, frozen=True, kw_only=True, tag_field="kind", tag="machine"):
    """Windows of a machine's vibration and temperature that are made with a seed."""

    windows: Count = 2000
    window: Annotated[int, msgspec.Meta(ge=16)] = 32
    only_normal: bool = False
    seed: int = 0


Data = SklearnData | ArrayData | PictureData | RowData | MachineData


class RoundsRecipe(_Table, frozen=True, kw_only=True):
    """The step that goes into the bundle, where boards are to train in federated rounds."""

    rows: Count = 32
    optimizer: dict[str, Any] = msgspec.field(default_factory=lambda: {"kind": "sgd"})
    proximal: bool = False
    corrected: bool = False
    trainable: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None


class TrainingRecipe(_Table, frozen=True, kw_only=True):
    """All of a training recipe.

    `model`, `loss`, `optimizer` and `schedule` name something with `kind`, and hold its
    arguments; `augment` holds those of `Augment`. See `edgekit.zoo.training.plan`.
    """

    model: dict[str, Any]
    data: Data
    loss: dict[str, Any]
    epochs: Count
    name: Name | None = None
    optimizer: dict[str, Any] = msgspec.field(default_factory=lambda: {"kind": "adam"})
    schedule: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"kind": "one-cycle", "rate": 3e-3}
    )
    augment: dict[str, Any] = {}
    input: InputRecipe = msgspec.field(default_factory=InputRecipe)
    rows: Count = 32
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    validation: Share = 0.2
    folds: Annotated[int, msgspec.Meta(ge=2)] | None = None
    patience: Annotated[int, msgspec.Meta(ge=0)] | None = None
    score: ScoreName | None = None
    trainable: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None = None
    rounds: RoundsRecipe | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    out: Path | None = None


def load_training_recipe(path: Path) -> TrainingRecipe:
    """Reads a training recipe.

    Raises:
        ConfigError: every mistake at once, each with its key; those inside the tables that name
            something are found by `planned`.
    """
    return load_toml(path, TrainingRecipe)
