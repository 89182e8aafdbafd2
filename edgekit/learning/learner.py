"""Trains a bundle's step on a board's own samples."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.errors import BundleError, InputError, OperatorError
from edgekit.learning.checkpoint import Checkpoint, load_checkpoint
from edgekit.learning.dataset import Dataset, batches, batches_in_order, samples_a_batch
from edgekit.learning.evaluating import Evaluation, Evaluator
from edgekit.learning.files import open_evaluation, open_step
from edgekit.learning.npz import write_arrays
from edgekit.learning.specs import TensorSpec, check_batch
from edgekit.learning.stepper import Stepper


class LearningDiverged(OperatorError):
    """A loss or a parameter became NaN or infinite; the learner is as before the training.

    Attributes:
        step: the number of the step, from 0.
    """

    def __init__(self, step: int, where: str) -> None:
        self.step = step
        super().__init__(
            f"training diverged at step {step}: {where} is not finite; the parameters are those "
            "from before; lower the learning rate, or look at the samples"
        )


@dataclass(frozen=True)
class Learned:
    """How a training went.

    Attributes:
        losses: float64, of each step, its batch's mean before the step.
        steps: how many all epochs take.
    """

    losses: Array
    steps: int

    @property
    def is_done(self) -> bool:
        """Whether it came to its end, rather than being stopped."""
        return len(self.losses) >= self.steps


class Learner:
    """Holds a model's parameters, and changes them by what it is shown.

    Args:
        folder: the folder `train` of a bundle.
        threads: how many compute. With one, the same samples and seed give the same bits.

    Raises:
        BundleError: a file is missing or damaged, or they are not of one step.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._files = open_step(folder, threads=threads)
        self._folder, self._threads = folder, threads
        carried = {name: array.copy() for name, array in self._files.parameters.items()}
        self._stepper = Stepper(
            self._files.session, self._files.batch, carried | self._fresh_state()
        )
        self._evaluator: Evaluator | None = None

    @property
    def sample(self) -> tuple[TensorSpec, ...]:
        """What one sample brings, such as a picture and its class."""
        return self._files.sample

    @property
    def rows(self) -> int:
        """How many rows a batch has."""
        return self._files.rows

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters by name, float32."""
        current = self._stepper.current
        return {name: current[name].copy() for name in self._files.parameters}

    def load(self, parameters: Mapping[str, Array]) -> None:
        """Goes on from other parameters; those that are not named stay.

        Raises:
            InputError: there is no parameter of such a name and shape, or it is not finite.
        """
        for name, array in parameters.items():
            known = self._files.parameters.get(name)
            if known is None or known.shape != array.shape or known.dtype != array.dtype:
                raise InputError(f"the step has no parameter {name!r} {list(array.shape)}")
            if not np.isfinite(array).all():
                raise InputError(f"the parameter {name!r} holds NaN or infinity")
        self._stepper.load(parameters)

    def save_parameters(self, path: Path) -> None:
        """Writes the parameters as `.npz`; whenever power fails, they or the old ones are there."""
        write_arrays(path, self.parameters)

    def train(
        self,
        data: Dataset,
        *,
        epochs: int,
        rate: float,
        seed: int = 0,
        checkpoint: Path | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        on_epoch: Callable[[int, float], None] = lambda number, loss: None,
    ) -> Learned:
        """Trains from the parameters that it holds, with fresh optimiser state.

        With one thread, the same start, samples and seed give the same parameters to the last
        bit, whether the training was interrupted or not.

        Args:
            data: what to learn from, such as `SampleBuffer.samples` gives. What does not fill a
                batch waits for another epoch.
            epochs: how many passes over the data.
            rate: the learning rate.
            seed: of the order of samples, and of what `data` leaves to chance.
            checkpoint: a file to write after each epoch and when stopped, and to go on from if
                it is there. Remove it when its training is over.
            should_stop: is asked before each step.
            on_epoch: is called after each epoch with its number, from 1, and its mean loss.

        Raises:
            InputError: the data does not fit the step, is too little, or the checkpoint is of
                another training.
            LearningDiverged: a loss or a parameter is NaN or infinite.
        """
        an_epoch = len(data) // samples_a_batch(data, self.rows)
        before = self.parameters
        self._stepper.load(self._fresh_state())
        of = "" if checkpoint is None else self._fingerprint(data, seed)
        kept = None if checkpoint is None else load_checkpoint(checkpoint, of)
        losses: list[float] = []
        if kept is not None:
            self._stepper.load(kept.carried)
            losses = kept.losses.tolist()
        is_stopped = False
        while len(losses) < epochs * an_epoch and not is_stopped:
            number, done = divmod(len(losses), an_epoch)
            for batch in islice(batches(data, self.rows, seed=seed, epoch=number), done, None):
                if is_stopped := should_stop():
                    break
                check_batch(self._files.batch, batch)
                losses.append(self._stepper.run(batch, rate))
                if not math.isfinite(losses[-1]):
                    self._diverge(before, len(losses) - 1)
            if not self._stepper.is_finite:
                self._diverge(before, len(losses) - 1)
            if checkpoint is not None:
                Checkpoint(of, np.array(losses), self._stepper.current).save(checkpoint)
            if not is_stopped:
                on_epoch(number + 1, float(np.mean(losses[number * an_epoch :])))
        return Learned(np.array(losses), epochs * an_epoch)

    def evaluate(self, data: Dataset) -> Evaluation:
        """Judges the parameters that it holds.

        Args:
            data: the samples; chance should do nothing to them.

        Raises:
            InputError: there are no samples, or they do not fit the model.
            BundleError: the evaluation's file is damaged or of another step.
        """
        if self._evaluator is None:
            session, batch, known = open_evaluation(self._folder, threads=self._threads)
            ours = [replace(spec, classes=None) for spec in self._files.batch]
            if list(batch) != ours or known.keys() != self._files.parameters.keys():
                raise BundleError(f"{self._folder}: its step and its evaluation differ")
            self._evaluator = Evaluator(session, self._files.batch)
        return self._evaluator.over(data, self._stepper.current)

    def _fresh_state(self) -> dict[str, Array]:
        return {spec.name: spec.zeros() for spec in self._files.state}

    def _fingerprint(self, data: Dataset, seed: int) -> str:
        """Tells one training from another: a full buffer's samples change, their number not."""
        digest = hashlib.sha256(f"{self._files.digest} {seed} {len(data)}".encode())
        for name in self._files.parameters:
            digest.update(name.encode() + self._stepper.current[name].tobytes())
        for batch, _ in batches_in_order(data, self.rows):
            for array in batch:
                digest.update(array.tobytes())
        return digest.hexdigest()

    def _diverge(self, before: Mapping[str, Array], step: int) -> None:
        """Takes the parameters back.

        Raises:
            LearningDiverged: always.
        """
        known = [*self._stepper.before.items(), *self._stepper.current.items()]
        wrong = next((name for name, a in known if not np.isfinite(a).all()), "the loss")
        self._stepper.load(before)
        raise LearningDiverged(step, wrong)
