"""Builds what a recipe's [build] table names, ready to compress."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgekit.compress.data import Samples
from edgekit.compress.progress import Progress
from edgekit.compress.recipe import Recipe
from edgekit.compress.trained import TrainedModel
from edgekit.config import check, nearest
from edgekit.errors import ConfigError, InputError
from edgekit.zoo.choosing import Choices


@dataclass(frozen=True)
class Built:
    """A trained model and the samples to calibrate it on and to measure it with."""

    trained: TrainedModel
    samples: Samples


def build_model(
    recipe: Recipe, data: Path | None, *, progress: Progress, where: str = "recipe"
) -> Built:
    """Trains the model that a recipe's [build] table names.

    Args:
        recipe: `build.model` names the builder, and the other keys are its arguments; or
            `build.training` names a training recipe.
        data: the rows that a model of them learns from.
        progress: shows how far the training is.
        where: the recipe's file; paths in it begin at its folder.

    Raises:
        ConfigError: the table names no builder, or an argument that it does not have.
        InputError: the data cannot be used.
    """
    settings = dict(recipe.build)
    if "training" in settings:
        return _by_recipe(recipe, settings, data, progress, where)
    name = settings.pop("model", None)
    if name not in _BUILDERS:
        known = nearest(str(name), list(_BUILDERS))
        raise ConfigError(where, [f"build.model: {name!r} is unknown; {known}"])
    return _BUILDERS[name](recipe, settings, data, progress, where)


def _by_recipe(
    recipe: Recipe, settings: dict[str, Any], data: Path | None, progress: Progress, where: str
) -> Built:
    """What the training recipe makes that `training` names, beside the recipe's own file."""
    from edgekit.zoo.training import load_training_recipe, train_recipe

    folder = Path(where).parent
    said = check({"build": settings}, _Document, source=where, folder=folder).build
    outcome = train_recipe(
        load_training_recipe(said.training),
        where=str(said.training),
        folder=said.training.parent,
        data=data,
        progress=progress,
    )
    trained = replace(
        outcome.trained,
        name=recipe.name or outcome.trained.name,
        training=outcome.step.files() if said.on_board else {},
    )
    return Built(trained, outcome.samples)


class _ByRecipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A [build] table that names a training recipe; `on_board`: boards go on training."""

    training: Path
    on_board: bool = False


class _Document(msgspec.Struct, frozen=True):
    build: _ByRecipe


def _autoencoder(
    recipe: Recipe, settings: dict[str, Any], data: Path | None, progress: Progress, where: str
) -> Built:
    from numpy.lib.stride_tricks import sliding_window_view

    from edgekit.pipeline.rows import load_rows
    from edgekit.zoo.autoencoder import build_autoencoder

    if data is None:
        raise InputError("an autoencoder learns from rows; say --data FILE.csv")
    columns = settings.pop("columns", None)
    normal_share = settings.pop("normal_share", 1.0)
    if not isinstance(normal_share, int | float) or not 0 < normal_share <= 1:
        raise ConfigError(where, [f"build.normal_share: {normal_share!r} is not between 0 and 1"])
    rows, names = load_rows(data, None if columns is None else tuple(columns))
    normal = rows[: round(len(rows) * normal_share)]
    trained = _called(
        partial(build_autoencoder, normal, columns=names), recipe, settings, progress, where
    )
    length = trained.input.shape[1]
    windows = sliding_window_view(rows, length, axis=0).transpose(0, 2, 1)
    chosen = windows[:: max(1, len(windows) // 2000)]
    return Built(trained, _samples(chosen.astype(np.float32), None))


def _quantum_kernel(
    recipe: Recipe, settings: dict[str, Any], data: Path | None, progress: Progress, where: str
) -> Built:
    from sklearn.model_selection import train_test_split

    from edgekit.zoo.quantum_kernel import build_quantum_kernel, load_dataset

    features, targets, columns, labels = load_dataset(settings.pop("dataset", "breast_cancer"))
    train = partial(build_quantum_kernel, features, targets, columns=columns, labels=labels)
    trained = _called(train, recipe, settings, progress, where)
    # The very samples that the builder held out: what it learned from proves nothing.
    defaults = inspect.signature(build_quantum_kernel).parameters
    share = settings.get("test_share", defaults["test_share"].default)
    seed = settings.get("seed", defaults["seed"].default)
    _, test, _, test_targets = train_test_split(
        features, targets, test_size=share, random_state=seed, stratify=targets
    )
    return Built(trained, _samples(test.astype(np.float32), test_targets))


_Builder = Callable[[Recipe, dict[str, Any], Path | None, Progress, str], Built]
_BUILDERS: dict[str, _Builder] = {
    "autoencoder": _autoencoder,
    "quantum_kernel": _quantum_kernel,
}


def _called(
    builder: Callable[..., TrainedModel],
    recipe: Recipe,
    settings: dict[str, Any],
    progress: Progress,
    where: str,
) -> TrainedModel:
    """Calls a builder with a recipe's arguments, and refuses those that it does not have."""
    choices: Choices[TrainedModel] = Choices()
    called = choices.bound("build", settings, builder, without=("columns", "labels", "progress"))
    if called is None:
        raise ConfigError(where, choices.mistakes)
    named = {} if recipe.name is None else {"name": recipe.name}
    return called(**named, progress=partial(progress.count, "training"))


def _samples(data: Any, targets: Any) -> Samples:
    return Samples(tuple(f"sample {number}" for number in range(len(data))), targets, list(data))
