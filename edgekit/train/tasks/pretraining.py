"""Trains an encoder on unlabelled samples by a pretext task."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.match import static_shape
from edgekit.learning.dataset import Dataset
from edgekit.train.compiling import compile_step
from edgekit.train.fitting import fit
from edgekit.train.optimizers import Adam
from edgekit.train.optimizers.optimizer import Optimizer
from edgekit.train.progress import Progress
from edgekit.train.schedules import Schedule
from edgekit.train.step import Step
from edgekit.train.tasks.task import Task
from edgekit.train.trainable import untie_vectors


def compile_pretext(
    encoder: ir.Model,
    task: Task,
    *,
    rows: int,
    optimizer: Optimizer | None = None,
    seed: int = 0,
) -> Step:
    """A step that a board or a workstation can take with what `Task.asked` gives.

    Args:
        encoder: one float32 or integer input, whose features are its first output, float32
            `[1, ...]`; left as it is.
        task: what is asked of the samples.
        rows: how many rows a batch has, all views of a sample counted.
        optimizer: how the parameters follow the gradient; by default Adam.
        seed: of the first weights of what the task adds, and of Dropout.

    Raises:
        UnsupportedModel: the task cannot be asked of this encoder.
    """
    encoder = encoder.clone()
    untie_vectors(encoder)
    model = task.attached(encoder, np.random.default_rng(seed))
    return compile_step(model, task.loss, optimizer or Adam(), rows=rows, seed=seed)


def pretrain(
    encoder: ir.Model,
    task: Task,
    samples: Dataset,
    *,
    epochs: int,
    rate: float | Schedule,
    rows: int,
    optimizer: Optimizer | None = None,
    seed: int = 0,
    checkpoints: Path | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> ir.Model:
    """Trains an encoder without labels.

    Args:
        encoder: see `compile_pretext`.
        task: what is asked of the samples.
        samples: unlabelled; where a batch has labels they are not looked at.
        epochs: how many passes over the samples.
        rate: the learning rate, or what says it for each step.
        rows: how many rows a batch has, all views of a sample counted.
        optimizer: how the parameters follow the gradient; by default Adam.
        seed: of all that is left to chance.
        checkpoints: see `fit`.
        threads: how many compute; with one, the same arguments give the same bits.
        progress: is told of the steps.

    Returns:
        The encoder with the parameters of the epoch whose loss was lowest.

    Raises:
        UnsupportedModel: the task cannot be asked of this encoder.
        InputError: the samples do not fit it, or are too few.
        TrainingDiverged: the loss is NaN or infinite.
    """
    step = compile_pretext(encoder, task, rows=rows, optimizer=optimizer, seed=seed)
    fitted = fit(
        step,
        task.asked(samples),
        epochs=epochs,
        rate=rate,
        seed=seed,
        checkpoints=checkpoints,
        threads=threads,
        progress=progress,
    )
    return with_parameters(encoder, fitted.parameters)


def with_parameters(encoder: ir.Model, parameters: Mapping[str, Array]) -> ir.Model:
    """The encoder with what was learned, on a board or here; the task's own part is left out.

    Args:
        encoder: what `compile_pretext` was given; left as it is.
        parameters: float32 by name.

    Raises:
        InputError: none of them is the encoder's, or one has another shape.
    """
    encoder = encoder.clone()
    untie_vectors(encoder)
    ours = {n: v for n, v in encoder.graph.initializers.items() if n in parameters}
    if not ours:
        raise InputError("none of the parameters is this encoder's; they are of another one")
    for name, value in ours.items():
        array = np.array(parameters[name], np.float32)
        if static_shape(value) != array.shape:
            raise InputError(
                f"the encoder's {name!r} has the shape {value.shape}, not {list(array.shape)}"
            )
        value.const_value = ir.tensor(array, name=name)
    return encoder
