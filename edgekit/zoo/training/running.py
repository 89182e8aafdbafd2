"""Runs a training recipe."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median_low
from time import perf_counter

import msgspec
import numpy as np

from edgekit.array import Array
from edgekit.compress.names import bundle_name
from edgekit.errors import ConfigError
from edgekit.train import Epoch, Evaluation, Step, evaluate, fit
from edgekit.train.fitting import Fitted
from edgekit.train.progress import Progress
from edgekit.train.rounds import compile_federated_step
from edgekit.zoo.training.anomalies import with_threshold
from edgekit.zoo.training.material import Material
from edgekit.zoo.training.outcome import Fold, Outcome
from edgekit.zoo.training.plan import SCORES, Plan, planned
from edgekit.zoo.training.recipe import (
    ArrayData,
    PictureData,
    RowData,
    ScoreName,
    TrainingRecipe,
)
from edgekit.zoo.training.reporting import training_report
from edgekit.zoo.training.sources import load_material
from edgekit.zoo.training.splitting import cut, split
from edgekit.zoo.training.subject import Subject, subject_of

OnEpoch = Callable[[str, Epoch], None]
"""Hears what is being trained, such as `fold 1`, and of each epoch of it."""


def train_recipe(
    recipe: TrainingRecipe,
    *,
    where: str = "recipe",
    folder: Path = Path(),
    data: Path | None = None,
    checkpoints: Path | None = None,
    progress: Progress | None = None,
    on_epoch: OnEpoch | None = None,
) -> Outcome:
    """Trains what a recipe says.

    With `folds`, each part of the data judges once a model that learned from the others; the model
    that is kept learns from everything, for as many epochs as were best in the middle fold.

    Args:
        recipe: what to train, on what, and how.
        where: what to call the recipe in an error.
        folder: where its paths begin.
        data: a file or folder in place of the recipe's own.
        checkpoints: a folder to keep checkpoints in, and to go on from.
        progress: shows how far this is.
        on_epoch: is called after each epoch.

    Raises:
        ConfigError: the recipe has mistakes: all of them.
        InputError: the data cannot be used, or does not fit the model.
        UnsupportedModel: the model cannot be trained.
        TrainingDiverged: the loss became NaN or infinite.
    """
    plan = planned(recipe, where=where, folder=folder)
    material = load_material(_given(recipe, data, where).data)
    started = perf_counter()
    run = _Run(recipe, plan, material, where, checkpoints, progress, on_epoch)
    folds: tuple[Fold, ...] = ()
    if recipe.folds is None:
        training, validation = split(material, recipe.validation, seed=recipe.seed)
        subject, fitted = run.fitted("", training, validation)
        judged = run.judged(subject, fitted, validation)
    else:
        turns = list(cut(material, recipe.folds, seed=recipe.seed))
        found = [run.fitted(f"fold {n}", *turn) for n, turn in enumerate(turns, 1)]
        folds = tuple(Fold(history=fold.history, best=fold.best) for _, fold in found)
        judged = _together(
            [run.judged(*fold, turn[1]) for fold, turn in zip(found, turns, strict=True)]
        )
        training = validation = np.arange(len(material))
        epochs = median_low(fold.best for fold in folds)
        subject, fitted = run.fitted("all", training, None, epochs=epochs)
    name = recipe.name or bundle_name(str(recipe.model.get("kind") or "model"))
    trained = subject.trained(fitted.parameters, name=name, labels=material.labels)
    samples = material.samples(subject.input, validation)
    trained = with_threshold(trained, samples, subject.untrained.false_alarm_rate)
    report = training_report(
        recipe,
        trained,
        subject.step,
        fitted,
        judged,
        folds=folds,
        score=run.score,
        counts=(len(training), len(validation)),
        seconds=perf_counter() - started,
    )
    trained = replace(trained, facts=_facts(report.scores, report.facts))
    return Outcome(trained, _step_on_board(recipe, plan, subject, fitted), samples, report)


def _step_on_board(recipe: TrainingRecipe, plan: Plan, subject: Subject, fitted: Fitted) -> Step:
    """The step that goes on from what was learned, alone or in federated rounds."""
    model = subject.step.trained(fitted.parameters)
    if recipe.rounds is None or plan.rounds is None:
        return replace(subject.step, model=model, parameters=fitted.parameters)
    return compile_federated_step(
        model,
        plan.loss,
        rows=recipe.rounds.rows,
        optimizer=plan.rounds,
        proximal=recipe.rounds.proximal,
        corrected=recipe.rounds.corrected,
        trainable=recipe.rounds.trainable or recipe.trainable,
    )


@dataclass(frozen=True)
class _Run:
    """Everything that the folds of a training share."""

    recipe: TrainingRecipe
    plan: Plan
    material: Material
    where: str
    checkpoints: Path | None
    progress: Progress | None
    on_epoch: OnEpoch | None

    @property
    def score(self) -> ScoreName | None:
        """What judges an epoch besides the loss: of classifiers accuracy, if nothing was said."""
        is_classifier = self.material.has_classes and self.recipe.loss["kind"] in (
            "cross-entropy",
            "focal",
        )
        if self.recipe.score is not None and not is_classifier:
            raise ConfigError(self.where, [f"score: {self.recipe.score} is for classes"])
        return (self.recipe.score or "accuracy") if is_classifier else None

    def fitted(
        self, title: str, training: Array, validation: Array | None, *, epochs: int | None = None
    ) -> tuple[Subject, Fitted]:
        """Trains with some samples, and judges each epoch by others, if there are any."""
        recipe = self.recipe
        epochs = epochs or recipe.epochs
        subject = subject_of(recipe, self.plan, self.material, training, where=self.where)
        data = self.material.dataset(
            subject.input,
            training,
            with_targets=subject.needs_targets,
            augment=self.plan.augment,
        )
        judging = None
        if validation is not None:
            judging = self.material.dataset(
                subject.input, validation, with_targets=subject.needs_targets
            )
        hears = self.on_epoch
        fitted = fit(
            subject.step,
            data,
            epochs=epochs,
            rate=self.plan.schedule(max(1, epochs * (len(training) // recipe.rows))),
            seed=recipe.seed,
            validation=judging,
            score=SCORES[self.score] if self.score and judging is not None else None,
            patience=recipe.patience,
            checkpoints=None if self.checkpoints is None else self.checkpoints / title,
            threads=recipe.threads,
            progress=self.progress,
            on_epoch=None if hears is None else lambda epoch: hears(title, epoch),
        )
        return subject, fitted

    def judged(self, subject: Subject, fitted: Fitted, validation: Array) -> Evaluation:
        """What the best parameters say of the samples that validated."""
        data = self.material.dataset(subject.input, validation, with_targets=subject.needs_targets)
        return evaluate(subject.step, fitted.parameters, data)


def _given(recipe: TrainingRecipe, data: Path | None, where: str) -> TrainingRecipe:
    if data is None:
        return recipe
    if not isinstance(recipe.data, ArrayData | PictureData | RowData):
        kind = type(recipe.data).__struct_config__.tag
        raise ConfigError(where, [f"data.kind: {kind} is read from no path; leave out --data"])
    return msgspec.structs.replace(recipe, data=msgspec.structs.replace(recipe.data, path=data))


def _together(found: list[Evaluation]) -> Evaluation:
    """The judgements of all folds as one."""
    losses = np.concatenate([one.losses for one in found])
    return Evaluation(
        fmean(losses.tolist()),
        losses,
        np.concatenate([one.outputs for one in found]),
        np.concatenate([one.targets for one in found]),
    )


def _facts(scores: dict[str, float], facts: dict[str, str | float]) -> dict[str, str | float]:
    return {f"{name}, validation": value for name, value in scores.items()} | facts
