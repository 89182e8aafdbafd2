"""What a training recipe's names stand for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.config import nearest
from edgekit.errors import ConfigError
from edgekit.train import metrics, schedules
from edgekit.train.data.augment import Augment
from edgekit.train.fitting import Score
from edgekit.train.losses import CrossEntropy, Focal, Huber, Loss, Mse, Reconstruction
from edgekit.train.optimizers import OPTIMIZERS, Optimizer
from edgekit.train.schedules import Schedule
from edgekit.zoo.choosing import Choices
from edgekit.zoo.training.models import MODELS, Untrained
from edgekit.zoo.training.recipe import ScoreName, TrainingRecipe


def _reconstruction(*, of: str | None = None, delta: float | None = None) -> Reconstruction:
    return Reconstruction(by=Mse() if delta is None else Huber(delta), of=of)


LOSSES: dict[str, Callable[..., Loss]] = {
    "cross-entropy": CrossEntropy,
    "focal": Focal,
    "huber": Huber,
    "mse": Mse,
    "reconstruction": _reconstruction,
}
"""The losses whose data a recipe can name."""

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": lambda *, rate: schedules.constant(rate),
    "cosine": schedules.cosine,
    "exponential": schedules.exponential,
    "on-plateau": schedules.on_plateau,
    "one-cycle": schedules.one_cycle,
    "warm-restarts": schedules.warm_restarts,
}

SCORES: dict[ScoreName, Score] = {
    "accuracy": metrics.accuracy,
    "f1": metrics.f1,
    "precision": metrics.precision,
    "recall": metrics.recall,
    "roc-auc": metrics.roc_auc,
}


@dataclass(frozen=True)
class Plan:
    """A recipe whose names were looked up.

    Attributes:
        loss: what is to become small.
        optimizer: how parameters follow the gradient.
        schedule: from the number of all steps to the learning rate.
        augment: what chance does to pictures; `None` for nothing.
        model: makes the model for some data; `None` where it is in a file.
        file: the ONNX file to train.
        rounds: how parameters follow the gradient in federated rounds; `None` without those.
    """

    loss: Loss
    optimizer: Optimizer
    schedule: Callable[[int], Schedule]
    augment: Augment | None
    model: Callable[..., Untrained] | None
    file: Path | None
    rounds: Optimizer | None = None


def planned(recipe: TrainingRecipe, *, where: str, folder: Path) -> Plan:
    """Looks up what a recipe names.

    Args:
        recipe: the recipe.
        where: what to call it in an error.
        folder: where paths begin.

    Raises:
        ConfigError: every mistake at once, each with its key.
    """
    tables: Choices[Any] = Choices()
    loss = tables.chosen("loss", recipe.loss, LOSSES)
    optimizer = tables.chosen("optimizer", recipe.optimizer, OPTIMIZERS)
    schedule = _schedule(tables, recipe.schedule)
    augment = tables.bound("augment", recipe.augment, Augment)
    model, file = _model(tables, recipe.model, folder)
    rounds: Callable[..., Optimizer] | None = None
    if recipe.rounds is not None:
        rounds = tables.chosen("rounds.optimizer", recipe.rounds.optimizer, OPTIMIZERS)
    if tables.mistakes:
        raise ConfigError(where, tables.mistakes)
    assert loss is not None
    assert optimizer is not None
    assert schedule is not None
    assert augment is not None
    return Plan(
        loss=loss(),
        optimizer=optimizer(),
        schedule=schedule,
        augment=augment() if recipe.augment else None,
        model=model,
        file=file,
        rounds=None if rounds is None else rounds(),
    )


def _schedule(tables: Choices[Any], table: Mapping[str, Any]) -> Callable[[int], Schedule] | None:
    """The schedule over all steps, whose number is no setting of it; `None` after a mistake."""
    kind, rate = table.get("kind"), table.get("rate")
    if kind not in SCHEDULES:
        tables.chosen("schedule", table, SCHEDULES)
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        tables.mistakes.append(f"schedule.rate: {rate!r} is not above 0")
    settings = {key: value for key, value in table.items() if key not in ("kind", "rate")}
    takes_steps = kind in ("cosine", "one-cycle")
    made = tables.bound("schedule", settings, SCHEDULES[kind], without=("steps", "rate"))
    if made is None:
        return None

    def over(steps: int) -> Schedule:
        given: dict[str, Any] = {"steps": steps} if takes_steps else {}
        schedule: Schedule = made(rate=rate, **given)
        return schedule

    return over


def _model(
    tables: Choices[Any], table: Mapping[str, Any], folder: Path
) -> tuple[Callable[..., Untrained] | None, Path | None]:
    if "file" not in table:
        return tables.chosen("model", table, MODELS), None
    for key in table:
        if key != "file":
            tables.mistakes.append(f"model.{key}: unknown setting; {nearest(key, ['file'])}")
    if not isinstance(table["file"], str):
        tables.mistakes.append("model.file: expected a path")
        return None, None
    return None, folder / Path(table["file"]).expanduser()
