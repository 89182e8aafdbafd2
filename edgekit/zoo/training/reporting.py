"""Puts together what is told of a training."""

from typing import Any

import msgspec

from edgekit import __version__
from edgekit.compress.machine import this_machine
from edgekit.compress.trained import TrainedModel
from edgekit.train import Evaluation, Step
from edgekit.train.fitting import Fitted
from edgekit.train.metrics import confusion_matrix
from edgekit.zoo.training.outcome import Fold, TrainingReport
from edgekit.zoo.training.plan import SCORES
from edgekit.zoo.training.recipe import ScoreName, TrainingRecipe


def training_report(
    recipe: TrainingRecipe,
    trained: TrainedModel,
    step: Step,
    fitted: Fitted,
    judged: Evaluation,
    *,
    folds: tuple[Fold, ...],
    score: ScoreName | None,
    counts: tuple[int, int],
    seconds: float,
) -> TrainingReport:
    """The report on a training.

    Args:
        recipe: what was to be trained.
        trained: what was.
        step: how.
        fitted: what came of it.
        judged: what the model, or those of all folds, said of the samples that validated.
        folds: the turns of a cross-validation.
        score: what judged an epoch.
        counts: how many samples trained, and how many validated.
        seconds: how long it took.
    """
    scores: dict[str, float] = {}
    confusion: tuple[tuple[int, ...], ...] = ()
    if score is not None:
        names = dict.fromkeys([score, "accuracy", "precision", "recall", "f1"])
        scores = {str(name): SCORES[name](judged.outputs, judged.targets) for name in names}
        confusion = tuple(
            tuple(row) for row in confusion_matrix(judged.outputs, judged.targets).tolist()
        )
    facts: dict[str, str | float] = {}
    if trained.thresholds is not None:
        facts["threshold"] = trained.thresholds.anomaly
    held = [value.const_value for value in trained.model.graph.initializers.values()]
    return TrainingReport(
        name=trained.name,
        task=trained.task,
        history=fitted.history,
        best=fitted.best,
        score=score,
        folds=folds,
        validation_loss=judged.loss,
        scores=scores,
        labels=trained.labels,
        confusion=confusion,
        samples={"training": counts[0], "validation": counts[1]},
        parameters={
            "trained": sum(array.size for array in step.parameters.values()),
            "model": sum(tensor.size for tensor in held if tensor is not None),
        },
        settings=_settings(recipe),
        facts=facts,
        machine=this_machine(),
        seconds=seconds,
        provenance={"edgekit": __version__},
    )


def _settings(recipe: TrainingRecipe) -> dict[str, str]:
    plain: dict[str, Any] = msgspec.to_builtins(recipe, enc_hook=str)
    usual = {"name", "out", "input"}
    return {
        key: _shown(value)
        for key, value in plain.items()
        if key not in usual and value not in (None, {}, [])
    }


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        kind = value.get("kind")
        others = [f"{key} {_shown(item)}" for key, item in value.items() if key != "kind"]
        return ", ".join([*([str(kind)] if kind else []), *others])
    if isinstance(value, list):
        return " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
