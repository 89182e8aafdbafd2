"""Trains a model, and keeps what came of it only where it is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.outcome import Outcome, Tuning
from edgekit.compress.progress import Progress
from edgekit.compress.tuning.relative import RelativeAdam
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import constant, is_op
from edgekit.train import Evaluation, compile_step, evaluate, fit
from edgekit.train.data.dataset import Dataset
from edgekit.train.losses import Loss
from edgekit.train.schedules import cosine
from edgekit.train.trainable import parameters_of, untie_vectors

_SHARES = (1.0, 0.5, 0.25)
"""How much of the way that training went is tried: Wortsman et al., 2022, arXiv:2109.01903."""


@dataclass(frozen=True)
class Settings:
    """How to train; see the steps."""

    epochs: int
    rate: float
    rows: int
    trainable: tuple[str, ...]
    seed: int


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What to learn.

    Attributes:
        learned: the samples to learn from.
        judging: others, as they are.
        loss: what is to become small on the former.
        judge: how wrong the model's answers to the latter are.
    """

    learned: Dataset
    judging: Dataset
    loss: Loss
    judge: Callable[[Evaluation], float]


def tuned(model: ir.Model, lesson: Lesson, settings: Settings, progress: Progress) -> Outcome:
    """The model as it is after training, or a part of the way there, if that made it better.

    The samples that judge are asked before the training and after it, not in between: the best
    of many epochs on few samples is chance.

    Args:
        model: a float model; left as it is.
        lesson: what it learns.
        settings: how.
        progress: shows how far this is, and hears what came of it.

    Raises:
        UnsupportedModel: it is quantised, or cannot be trained.
        InputError: a name in `trainable` finds nothing, or a class is not the model's.
        TrainingDiverged: a loss became NaN or infinite.
    """
    if any(is_op(node, "QuantizeLinear", "DequantizeLinear") for node in model.graph):
        raise UnsupportedModel("trains floats, and this model is quantised; train it before that")
    model = model.clone()
    untie_vectors(model)
    patterns = settings.trainable or None
    step = compile_step(
        model,
        lesson.loss,
        RelativeAdam(sizes=_sizes(model, patterns)),
        rows=settings.rows,
        trainable=patterns,
        seed=settings.seed,
    )
    before = lesson.judge(evaluate(step, step.parameters, lesson.judging))
    steps = settings.epochs * (len(lesson.learned) // settings.rows)
    fitted = fit(
        step,
        lesson.learned,
        epochs=settings.epochs,
        rate=cosine(settings.rate, steps=steps, warm_up=steps // 10),
        seed=settings.seed,
        progress=progress,
    )
    candidates = [_between(step.parameters, fitted.parameters, share) for share in _SHARES]
    losses = [lesson.judge(evaluate(step, each, lesson.judging)) for each in candidates]
    after = min(losses)
    tuning = Tuning(
        before=before,
        after=after,
        kept=after < before,
        learned=len(lesson.learned),
        judging=len(lesson.judging),
    )
    progress.say(str(tuning))
    if not tuning.kept:
        return Outcome(model, tuning)
    return Outcome(step.trained(candidates[losses.index(after)]), tuning)


def _between(
    begin: Mapping[str, Array], end: Mapping[str, Array], share: float
) -> dict[str, Array]:
    """Parameters that went a share of the way: half of it has a quarter of the steps' noise."""
    return {name: array + np.float32(share) * (end[name] - array) for name, array in begin.items()}


def _sizes(model: ir.Model, patterns: tuple[str, ...] | None) -> dict[str, float]:
    """The root mean square of each parameter that is trained, or 1 where all are zero."""
    found = {}
    for value in parameters_of(model, patterns):
        array = constant(value)
        assert array is not None
        found[str(value.name)] = float(np.sqrt(np.mean(np.square(array, dtype=np.float64)))) or 1.0
    return found
