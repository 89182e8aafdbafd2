"""Trains a compiled step on data, epoch after epoch."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean

import msgspec

from edgekit.array import Array
from edgekit.errors import InputError, TrainingDiverged
from edgekit.learning.dataset import Dataset, batches, samples_a_batch
from edgekit.learning.specs import check_batch
from edgekit.train.checkpoint import Checkpoint, fingerprint, load_checkpoint, save_checkpoint
from edgekit.train.data.prefetch import prefetched
from edgekit.train.diverging import first_not_finite
from edgekit.train.engine import Evaluator, StepRunner
from edgekit.train.evaluating import evaluate
from edgekit.train.history import Epoch
from edgekit.train.progress import Progress, Silent
from edgekit.train.schedules import Schedule, constant
from edgekit.train.step import Step

Score = Callable[[Array, Array], float]
"""From what a model says and what it should say to a number that is higher for better models."""

_SHOWN = 20
"""How often in an epoch its progress is shown."""


@dataclass(frozen=True)
class Fitted:
    """What came of a training.

    Attributes:
        parameters: those of the best epoch, float32 by name; see `Step.trained`.
        history: of each epoch.
        best: the number of the best epoch.
    """

    parameters: dict[str, Array]
    history: tuple[Epoch, ...]
    best: int


def fit(
    step: Step,
    data: Dataset,
    *,
    epochs: int,
    rate: float | Schedule,
    seed: int = 0,
    validation: Dataset | None = None,
    score: Score | None = None,
    patience: int | None = None,
    checkpoints: Path | None = None,
    threads: int = 1,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Trains until all epochs are done or validation has not become better for a while.

    With one thread, the same arguments give the same parameters to the last bit, whether the
    training was interrupted or not.

    Args:
        step: what to train, from the parameters that it holds.
        data: what to learn from.
        epochs: how many passes over the data at most.
        rate: the learning rate, or what says it for each step.
        seed: of the order of samples and of what the data leaves to chance.
        validation: what to judge each epoch by; without it, the training loss does.
        score: judges by what the model says of `validation`, rather than by the loss.
        patience: how many epochs in a row may be no better than the best; `None` for any number.
        checkpoints: a folder to keep a checkpoint in after each epoch, and to go on from if there
            is one.
        threads: how many compute.
        progress: is told of the steps, some twenty times an epoch.
        on_epoch: is called after each epoch.

    Raises:
        InputError: the data does not fit the model, is too little, or the checkpoint is of
            another training.
        TrainingDiverged: the loss is NaN or infinite.
    """
    if score is not None and validation is None:
        raise InputError("a score needs validation data")
    progress = progress or Silent()
    schedule = rate if callable(rate) else constant(rate)
    learner = _Learner(step, data, schedule, seed, threads, partial(progress.count, "training"))
    total = epochs * learner.steps
    judge = None if validation is None else _Judge(step, validation, score, threads)
    of = fingerprint(step, seed, len(data))
    stands = None if checkpoints is None else load_checkpoint(checkpoints, of)
    if stands is None:
        stands = Checkpoint(
            of=of, steps=0, history=(), carried=step.carried, best=dict(step.parameters)
        )
    elif checkpoints is not None:
        learner.kept = str(checkpoints)
    learner.runner.load(stands.carried)
    while len(stands.history) < epochs and not _is_stuck(stands.history, patience):
        epoch = learner.learn(stands, total)
        carried = learner.runner.carried
        if judge is not None:
            epoch = judge.judged(epoch, carried)
        stands = _after(stands, epoch, carried, step)
        if checkpoints is not None:
            learner.kept = str(save_checkpoint(checkpoints, stands))
        if on_epoch is not None:
            on_epoch(epoch)
    progress.count("training", total, total)
    return Fitted(stands.best, stands.history, _best(stands.history))


class _Learner:
    """Takes the steps of an epoch.

    Attributes:
        runner: holds the parameters.
        steps: how many an epoch takes.
        kept: the last good checkpoint.
    """

    def __init__(
        self,
        step: Step,
        data: Dataset,
        schedule: Schedule,
        seed: int,
        threads: int,
        show: Callable[[int, int], None],
    ) -> None:
        self.steps = len(data) // samples_a_batch(data, step.rows)
        self.runner = StepRunner(step, threads=threads)
        self.kept: str | None = None
        self._step, self._data, self._schedule, self._seed = step, data, schedule, seed
        self._show = show

    def learn(self, stands: Checkpoint, total: int) -> Epoch:
        """One pass over the data; `total` is how many steps all of them take."""
        number = len(stands.history)
        past = [epoch.to_lower for epoch in stands.history]
        made = batches(self._data, self._step.rows, seed=self._seed, epoch=number)
        losses, rate = [], 0.0
        every = max(1, self.steps // _SHOWN)
        with closing(prefetched(made, self._data.ahead)) as stream:
            for taken, batch in enumerate(stream, stands.steps):
                if taken % every == 0:
                    self._show(taken, total)
                check_batch(self._step.batch, batch)
                rate = self._schedule(taken, past)
                losses.append(self.runner.run(batch, rate))
                if not math.isfinite(losses[-1]):
                    raise self._diverged(taken)
        if not self.runner.is_finite:
            raise self._diverged(stands.steps + len(losses) - 1)
        return Epoch(number=number + 1, steps=len(losses), loss=fmean(losses), rate=rate)

    def _diverged(self, step: int) -> TrainingDiverged:
        wrong = first_not_finite(self._step, self.runner.before)
        return TrainingDiverged(step, *wrong, self.kept)


class _Judge:
    """Judges the parameters after an epoch on validation data."""

    def __init__(self, step: Step, data: Dataset, score: Score | None, threads: int) -> None:
        self._evaluator = Evaluator(step, threads=threads)
        self._step, self._data, self._score = step, data, score

    def judged(self, epoch: Epoch, parameters: Mapping[str, Array]) -> Epoch:
        """The epoch with the validation loss, and the score if one was asked for."""
        found = evaluate(self._step, parameters, self._data, evaluator=self._evaluator)
        value = None if self._score is None else float(self._score(found.outputs, found.targets))
        if not math.isfinite(found.loss if value is None else value):
            raise InputError(
                f"epoch {epoch.number}: the model's {'loss' if value is None else 'score'} on the "
                "validation data is not finite; look at that data"
            )
        return msgspec.structs.replace(epoch, validation_loss=found.loss, score=value)


def _after(stands: Checkpoint, epoch: Epoch, carried: dict[str, Array], step: Step) -> Checkpoint:
    is_best = all(epoch.to_lower < other.to_lower for other in stands.history)
    return Checkpoint(
        of=stands.of,
        steps=stands.steps + epoch.steps,
        history=(*stands.history, epoch),
        carried=carried,
        best={name: carried[name] for name in step.parameters} if is_best else stands.best,
    )


def _best(history: Sequence[Epoch]) -> int:
    """The number of the first of the best epochs, 0 before there is one."""
    return min(history, key=lambda epoch: epoch.to_lower).number if history else 0


def _is_stuck(history: Sequence[Epoch], patience: int | None) -> bool:
    return patience is not None and len(history) - _best(history) > patience
