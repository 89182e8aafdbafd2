"""A board's part of a round: trains from the global parameters, and tells how far it went."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.evaluating import Evaluator
from edgekit.learning.federated.update import Update
from edgekit.learning.files import StepFiles, open_evaluation, open_step
from edgekit.learning.learner import LearningDiverged
from edgekit.learning.specs import TensorSpec, check_batch
from edgekit.learning.stepper import Stepper

PRESENT = "present"
"""The input of a step that takes parts of batches: float32 `[N]`, 1 for rows that count, else 0."""

PROXIMAL = "proximal"
"""The state that holds FedProx's mu, float32 `[]`."""


def anchor_name(name: str) -> str:
    """The state that holds what a parameter was when the round began."""
    return f"anchor({name})"


def correction_name(name: str) -> str:
    """The state that holds what SCAFFOLD adds to a parameter's gradient."""
    return f"correction({name})"


@dataclass(frozen=True)
class Guidance:
    """How the coordinator wants a round to be trained.

    Attributes:
        epochs: passes over the samples.
        rate: the learning rate.
        proximal: FedProx's mu; not 0 needs a step that was compiled for it.
        control: SCAFFOLD's server control variate by parameter; empty where there is none.
    """

    epochs: int = 1
    rate: float = 0.1
    proximal: float = 0.0
    control: Mapping[str, Array] = field(default_factory=dict)


class LocalTrainer:
    """Trains a board's samples from whatever parameters a round begins with.

    One trainer serves any number of rounds, and of clients where many are simulated: what belongs
    to a client comes as arguments and goes as results.

    Args:
        folder: the folder `train` of a bundle, compiled by
            `edgekit.federated.compile_federated_step`.
        threads: how many compute. With one, the same arguments give the same bits.

    Raises:
        BundleError: a file is missing or damaged.
        InputError: the step cannot take parts of batches.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._files: StepFiles = open_step(folder, threads=threads)
        self._folder, self._threads = folder, threads
        names = [spec.name for spec in self._files.batch]
        if PRESENT not in names:
            raise InputError(f"{folder}: the step takes whole batches only; compile it for rounds")
        self._place = names.index(PRESENT)
        self._own = {spec.name.partition("/")[2]: spec for spec in self._files.state}
        self._stepper = Stepper(
            self._files.session, self._files.batch, self.parameters | self._fresh_state()
        )
        self._evaluator: Evaluator | None = None

    @property
    def parameters(self) -> dict[str, Array]:
        """Copies of the parameters that the bundle came with."""
        return {name: array.copy() for name, array in self._files.parameters.items()}

    @property
    def rows(self) -> int:
        """How many samples a whole batch has."""
        return self._files.rows

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What samples bring, in order; each with a batch's rows as its first axis."""
        return tuple(spec for spec in self._files.batch if spec.name != PRESENT)

    def train(
        self,
        client: str,
        parameters: Mapping[str, Array],
        samples: Sequence[Array],
        guidance: Guidance,
        *,
        seed: int | Sequence[int],
        version: int = 0,
        control: Mapping[str, Array] | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Update | None:
        """One client's part of a round; every sample counts once an epoch.

        Args:
            client: who trains.
            parameters: the global model's, float32 by name.
            samples: arrays `[samples, ...]` for each input of a batch, such as pixels and classes.
            guidance: what the coordinator asks for.
            seed: of the order of samples.
            version: of the global model.
            control: this client's SCAFFOLD control variate; `None` where it has none yet.
            should_stop: is asked before each step.

        Returns:
            The update, or `None` where it was stopped.

        Raises:
            InputError: samples or parameters do not fit the step, there are none, or the step was
                not compiled for what is asked.
            LearningDiverged: a loss or a parameter is NaN or infinite.
        """
        count = self._counted(samples)
        mine = {name: np.zeros_like(array) for name, array in parameters.items()}
        mine |= control or {}
        self._begin(parameters, guidance, mine)
        rng = np.random.default_rng(seed)
        steps = 0
        for _ in range(guidance.epochs):
            for batch in _epoch(samples, count, self.rows, self._place, rng):
                if should_stop():
                    return None
                check_batch(self._files.batch, batch)
                loss = self._stepper.run(batch, guidance.rate)
                steps += 1
                if not math.isfinite(loss):
                    raise LearningDiverged(steps - 1, "the loss")
        if not self._stepper.is_finite:
            raise LearningDiverged(steps - 1, "a parameter")
        current = self._stepper.current
        change = {name: current[name] - parameters[name] for name in self._files.parameters}
        moved = _moved_control(change, guidance, steps) if guidance.control else {}
        return Update(client, version, count, steps, change, moved)

    def evaluate(
        self, parameters: Mapping[str, Array], samples: Sequence[Array]
    ) -> tuple[float, Array]:
        """The mean loss, and what the model's first output says of each sample, `[samples, ...]`.

        Raises:
            InputError: there are no samples.
            BundleError: the evaluation's file is damaged.
        """
        if self._evaluator is None:
            session, batch, _ = open_evaluation(self._folder, threads=self._threads)
            self._evaluator = Evaluator(session, batch)
        count, total = self._counted(samples), 0.0
        outputs = []
        for start in range(0, count, self.rows):
            numbers = np.arange(start, min(start + self.rows, count))
            batch_now = _filled(samples, numbers, self.rows, self._place)
            losses, output = self._evaluator.run(batch_now, parameters)
            total += float(losses.mean(dtype=np.float64)) * len(numbers)
            outputs.append(output[: len(numbers)])
        return total / count, np.concatenate(outputs)

    def _fresh_state(self) -> dict[str, Array]:
        return {spec.name: spec.zeros() for spec in self._files.state}

    def _counted(self, samples: Sequence[Array]) -> int:
        counts = {len(array) for array in samples}
        if len(samples) != len(self._files.batch) - 1 or len(counts) != 1:
            raise InputError("the samples are not one array of equal length for each input")
        (count,) = counts
        if count == 0:
            raise InputError("there are no samples to learn from")
        return count

    def _begin(
        self, parameters: Mapping[str, Array], guidance: Guidance, mine: Mapping[str, Array]
    ) -> None:
        known = self._files.parameters
        if parameters.keys() != known.keys() or any(
            parameters[name].shape != known[name].shape for name in known
        ):
            raise InputError("the global parameters are not those of the step")
        self._stepper.load(self._fresh_state())
        self._stepper.load(parameters)
        if guidance.proximal:
            self._stepper.load({self._named(PROXIMAL): np.array(guidance.proximal, np.float32)})
            anchors = {self._named(anchor_name(name)): a for name, a in parameters.items()}
            self._stepper.load(anchors)
        if guidance.control:
            corrections = {
                self._named(correction_name(name)): a - mine[name]
                for name, a in guidance.control.items()
            }
            self._stepper.load(corrections)

    def _named(self, state: str) -> str:
        spec: TensorSpec | None = self._own.get(state)
        if spec is None:
            raise InputError(f"{self._folder}: the step has no {state}; compile it for that")
        return spec.name


def _moved_control(change: Mapping[str, Array], guidance: Guidance, steps: int) -> dict[str, Array]:
    """Option II of SCAFFOLD: c_i+ - c_i = (x - y_i) / (K eta) - c."""
    scale = np.float32(-1 / (steps * guidance.rate))
    return {name: scale * change[name] - c for name, c in guidance.control.items()}


def _epoch(
    samples: Sequence[Array], count: int, rows: int, place: int, rng: np.random.Generator
) -> Iterator[tuple[Array, ...]]:
    order = rng.permutation(count)
    for start in range(0, count, rows):
        yield _filled(samples, order[start : start + rows], rows, place)


def _filled(samples: Sequence[Array], numbers: Array, rows: int, place: int) -> tuple[Array, ...]:
    """A batch of `rows`; rows that fill it repeat samples, and do not count."""
    given = np.resize(numbers, rows)
    present = (np.arange(rows) < len(numbers)).astype(np.float32)
    batch = [array[given] for array in samples]
    batch.insert(place, present)
    return tuple(batch)
