"""The steps of a recipe that train: what each learns, and how it is judged."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.outcome import Outcome
from edgekit.compress.progress import Progress, Silent
from edgekit.compress.sensitivity import answers_of, change_between
from edgekit.compress.tuning.changes import augmenting, mixing
from edgekit.compress.tuning.lessons import Lessons
from edgekit.compress.tuning.teacher import Teacher
from edgekit.compress.tuning.training import Lesson, Settings, tuned
from edgekit.errors import InputError
from edgekit.train.data.arrays import Arrays
from edgekit.train.data.augment import Augment
from edgekit.train.losses import CrossEntropy, Distillation, Mse

_JUDGING = 0.2
_FEWEST = 5
_TAUGHT = Augment(flip=True, crop=0.5, rotation=10, brightness=0.2, contrast=0.2, saturation=0.2)
_LABELLED = Augment(crop=0.2, rotation=5, brightness=0.1, contrast=0.1, saturation=0.1)
"""Less, and no flip: a label has to stay true, where a teacher is asked again."""


def distill(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    original: ir.Model,
    epochs: int = 60,
    rate: float = 0.0005,
    rows: int = 16,
    trainable: Sequence[str] = (),
    augment: bool = True,
    mix: bool = False,
    temperature: float = 1.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Trains a model to answer as the original does, on samples without labels.

    The original is asked about each sample as chance changed it: Hinton et al., 2015,
    arXiv:1503.02531; Beyer et al., 2022, arXiv:2106.05237. A model that gives no probabilities
    learns the original's numbers by their squared error. A fifth of the samples is kept back and
    judges whether the whole way, half or a quarter of it is best; where none is better than the
    model was, it stays so.

    Args:
        model: a float model, such as `slim` gives; left as it is.
        tensors: samples as it takes them, each a batch of one.
        original: the model whose answers it learns.
        epochs: how many times each sample is learned from.
        rate: the highest learning rate, a share of each parameter's size; after a tenth of the
            steps it falls as a cosine.
        rows: samples a training step.
        trainable: name or pattern of parameters to train; all by default.
        augment: whether samples of a picture's shape are flipped, cropped, turned and recoloured.
        mix: whether samples are mixed with one another.
        temperature: what logits are divided by.
        seed: of all that is left to chance.
        progress: shows how far this is, and hears what came of it.

    Raises:
        UnsupportedModel: the model is quantised, or cannot be trained.
        InputError: there are too few samples, or no such parameter.
        TrainingDiverged: a loss became NaN or infinite.
    """
    learned, judging = _parts(tensors, np.arange(len(tensors)), seed)
    settings = Settings(epochs, rate, min(rows, len(learned)), tuple(trainable), seed)
    samples = [tensors[int(number)] for number in learned]
    change = augmenting(_TAUGHT, samples) if augment else None
    asked = [tensors[int(number)] for number in judging]
    answers = answers_of(original, asked)
    teacher = Teacher(original, settings.rows, np.stack(answers))
    lesson = Lesson(
        learned=Lessons(samples, mixing(change) if mix else change, teacher.say),
        judging=Arrays(np.concatenate(asked), teacher.meant(np.stack(answers))),
        loss=Distillation(temperature) if teacher.is_classifier else Mse(),
        judge=lambda found: change_between(answers, [each.reshape(-1) for each in found.outputs]),
    )
    return tuned(model, lesson, settings, progress or Silent())


def finetune(
    model: ir.Model,
    tensors: Sequence[Array],
    *,
    targets: Array | None,
    epochs: int = 60,
    rate: float = 0.0005,
    rows: int = 16,
    trainable: Sequence[str] = (),
    augment: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Outcome:
    """Trains a classifier on labelled samples, by cross-entropy.

    A fifth of the labelled samples is kept back and judges, as in `distill`.

    Args:
        model: a float classifier; left as it is.
        tensors: samples as it takes them, each a batch of one.
        targets: int64 `[len(tensors)]`, the class of each; samples of class -1 are left out.
        epochs: how many times each sample is learned from.
        rate: the highest learning rate, a share of each parameter's size; after a tenth of the
            steps it falls as a cosine.
        rows: samples a training step.
        trainable: name or pattern of parameters to train; all by default.
        augment: whether samples of a picture's shape are cropped, turned and recoloured a little.
        seed: of all that is left to chance.
        progress: shows how far this is, and hears what came of it.

    Raises:
        UnsupportedModel: the model is quantised, no classifier, or cannot be trained.
        InputError: there are too few labels, or no such parameter or class.
        TrainingDiverged: a loss became NaN or infinite.
    """
    if targets is None:
        raise InputError("the data has no labels to learn from")
    classes = targets
    learned, judging = _parts(tensors, np.flatnonzero(classes >= 0), seed)
    samples = [tensors[int(number)] for number in learned]
    lesson = Lesson(
        learned=Lessons(
            samples,
            augmenting(_LABELLED, samples) if augment else None,
            lambda _, numbers: classes[learned[numbers]],
        ),
        judging=Arrays(
            np.concatenate([tensors[int(number)] for number in judging]), classes[judging]
        ),
        loss=CrossEntropy(),
        judge=lambda found: found.loss,
    )
    settings = Settings(epochs, rate, min(rows, len(learned)), tuple(trainable), seed)
    return tuned(model, lesson, settings, progress or Silent())


def _parts(tensors: Sequence[Array], usable: Array, seed: int) -> tuple[Array, Array]:
    """The numbers of the samples to learn from, and of those to judge by."""
    if len(usable) < _FEWEST:
        raise InputError(
            f"{len(usable)} of {len(tensors)} calibration samples can be learned from; give at "
            f"least {_FEWEST}, better 100 or more"
        )
    order = np.random.default_rng(seed).permutation(usable)
    kept = max(1, round(_JUDGING * len(usable)))
    return np.sort(order[kept:]), np.sort(order[:kept])
