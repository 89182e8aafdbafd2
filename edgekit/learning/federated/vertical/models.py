"""The two halves of a split network, each an ordinary training step run by onnxruntime."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.errors import BundleError, InputError
from edgekit.learning.evaluating import Evaluator
from edgekit.learning.federated.trainer import PRESENT
from edgekit.learning.files import StepFiles, open_evaluation, open_step
from edgekit.learning.learner import LearningDiverged
from edgekit.learning.npz import read_arrays, write_arrays
from edgekit.learning.specs import LOSS, TensorSpec
from edgekit.learning.stepper import Stepper
from edgekit.runtime.onnx_session import open_session

SLOPE = "slope"
"""The input of a bottom's step: the gradient of the loss by its output, float32 `[N, K]`."""

SLOPES = "slopes.onnx"
"""The graph beside a top's step that gives the gradient of its loss by each of its inputs."""


class BottomModel:
    """What one party computes of its own features.

    Args:
        folder: what `edgekit.federated.vertical.compile_bottom` made.
        threads: how many compute.

    Raises:
        BundleError: a file is missing or damaged, or is no bottom's.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._trained = Trained(folder, threads)
        self._specs = self._trained.files.batch
        if [spec.name for spec in self._specs[1:]] != [SLOPE]:
            raise BundleError(f"{folder}: is no bottom of a split network; compile it as one")
        session, batch, _ = open_evaluation(folder, threads=threads)
        self._evaluator = Evaluator(session, batch)
        self._no_slope = self._specs[1].zeros()

    @property
    def rows(self) -> int:
        """How many samples a batch has."""
        return self._trained.files.rows

    @property
    def features(self) -> TensorSpec:
        """What it takes of a sample."""
        return replace(self._specs[0], shape=self._specs[0].shape[1:])

    @property
    def width(self) -> int:
        """How many numbers it says of a sample."""
        return self._specs[1].shape[1]

    @property
    def trained(self) -> "Trained":
        """What moves."""
        return self._trained

    def embed(self, features: Array) -> Array:
        """What it says of samples.

        Args:
            features: `[rows, ...]`, a whole batch.

        Returns:
            float32 `[rows, width]`.
        """
        self._check(features, self._specs[0])
        return self._evaluator.run((features, self._no_slope), self._trained.current)[1]

    def learn(self, features: Array, slope: Array, rate: float) -> None:
        """Follows the gradient.

        Args:
            features: as for `embed`.
            slope: the gradient of the loss by what `embed` said, float32 `[rows, width]`.
            rate: the learning rate.

        Raises:
            LearningDiverged: a parameter became NaN or infinite.
        """
        self._check(features, self._specs[0])
        self._check(slope, self._specs[1])
        self._trained.step((features, slope), rate)

    def _check(self, array: Array, spec: TensorSpec) -> None:
        if array.shape != spec.shape:
            raise InputError(f"{spec.name} is {list(array.shape)}, not {list(spec.shape)}")


class TopModel:
    """What the label holder computes of what all bottoms say.

    Args:
        folder: what `edgekit.federated.vertical.compile_top` made.
        threads: how many compute.

    Raises:
        BundleError: a file is missing or damaged, or is no top's.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._trained = Trained(folder, threads)
        specs = self._trained.files.batch
        names = [spec.name for spec in specs]
        if PRESENT not in names:
            raise BundleError(f"{folder}: is no top of a split network; compile it as one")
        self._specs = specs
        self._inputs = specs[: names.index(PRESENT)]
        path = folder / SLOPES
        if not path.is_file():
            raise BundleError(f"{path}: the file is missing; compile it again")
        self._slopes = open_session(path, threads=threads)
        session, batch, _ = open_evaluation(folder, threads=threads)
        self._evaluator = Evaluator(session, batch)

    @property
    def rows(self) -> int:
        """How many samples a batch has."""
        return self._trained.files.rows

    @property
    def widths(self) -> dict[str, int]:
        """How many numbers it takes of a sample, by input, in order."""
        return {spec.name: spec.shape[1] for spec in self._inputs}

    @property
    def trained(self) -> "Trained":
        """What moves."""
        return self._trained

    def learn(
        self, embedded: Mapping[str, Array], labels: Array, present: Array, rate: float
    ) -> tuple[float, dict[str, Array]]:
        """Takes a step; and what each bottom has to follow.

        Args:
            embedded: what the bottoms said, float32 `[rows, width]` by input.
            labels: what should come of it, `[rows, ...]`.
            present: float32 `[rows]`, 1 for rows that count, else 0.
            rate: the learning rate.

        Returns:
            The mean loss before the step, and its gradient by each input.

        Raises:
            LearningDiverged: the loss or a parameter is NaN or infinite.
        """
        batch = self._batch(embedded, labels, present)
        feeds = {
            spec.name: np.asarray(a, spec.dtype) for spec, a in zip(self._specs, batch, strict=True)
        }
        wanted = {value.name for value in self._slopes.get_inputs()}
        feeds |= {n: a for n, a in self._trained.current.items() if n in wanted}
        names = [value.name for value in self._slopes.get_outputs()]
        found = dict(zip(names, self._slopes.run(None, feeds), strict=True))
        loss = self._trained.step(batch, rate)
        if not math.isfinite(float(found[LOSS])):
            raise LearningDiverged(self._trained.steps - 1, "the loss")
        return loss, {spec.name: found[f"grad({spec.name})"] for spec in self._inputs}

    def judge(
        self, embedded: Mapping[str, Array], labels: Array, present: Array
    ) -> tuple[Array, Array]:
        """The loss of each row, float32 `[rows]`, and what the model says, `[rows, ...]`."""
        batch = self._batch(embedded, labels, present)
        return self._evaluator.run(batch, self._trained.current)

    def _batch(
        self, embedded: Mapping[str, Array], labels: Array, present: Array
    ) -> tuple[Array, ...]:
        if missing := self.widths.keys() - embedded.keys():
            raise InputError(f"nothing was said of {', '.join(sorted(missing))}")
        batch = (*(embedded[spec.name] for spec in self._inputs), present, labels)
        for spec, array in zip(self._specs, batch, strict=True):
            if array.shape != spec.shape:
                raise InputError(f"{spec.name} is {list(array.shape)}, not {list(spec.shape)}")
        return batch


class Trained:
    """The parameters and the optimiser's state of a step, which move.

    Attributes:
        files: of the step.
        steps: how many were taken.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        self.files: StepFiles = open_step(folder, threads=threads)
        self._stepper = Stepper(self.files.session, self.files.batch, self._first())
        self.steps = 0

    @property
    def current(self) -> Mapping[str, Array]:
        """Parameters and state; the next step but one writes over them."""
        return self._stepper.current

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters."""
        return {name: self._stepper.current[name].copy() for name in self.files.parameters}

    def step(self, batch: Sequence[Array], rate: float) -> float:
        """Takes one; gives the mean loss before it.

        Raises:
            LearningDiverged: a parameter became NaN or infinite.
        """
        loss = self._stepper.run(batch, rate)
        self.steps += 1
        if not self._stepper.is_finite:
            raise LearningDiverged(self.steps - 1, "a parameter")
        return loss

    def begin(self) -> None:
        """Goes back to the parameters that the bundle came with."""
        self._stepper.load(self._first())
        self.steps = 0

    def save(self, path: Path) -> None:
        """Writes parameters and state; whenever power fails, they or the old ones are there."""
        write_arrays(path, self.current)

    def load(self, path: Path) -> None:
        """Goes on from what was saved.

        Raises:
            InputError: the file is missing, damaged, or of another step.
        """
        try:
            found = read_arrays(path)
        except ValueError as error:
            raise InputError(f"{path}: not readable parameters: {error}") from error
        if {n: a.shape for n, a in found.items()} != {n: a.shape for n, a in self.current.items()}:
            raise InputError(f"{path}: is of another step")
        self._stepper.load(found)

    def _first(self) -> dict[str, Array]:
        first = {name: array.copy() for name, array in self.files.parameters.items()}
        return first | {spec.name: spec.zeros() for spec in self.files.state}
