"""Runs steps in ONNX Runtime; parameters and state never leave it between two steps."""

from collections.abc import Mapping

import numpy as np
import onnxruntime as ort

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.session import open_session
from edgekit.train.building import TensorSpec, next_name
from edgekit.train.data.dataset import Batch
from edgekit.train.step import LOSS, LOSSES, RATE, Step


class StepRunner:
    """Takes step after step.

    Parameters and state are there twice. Each step reads one set and writes the other, so that
    nothing is copied, and what was before a step is still known after it.

    Args:
        step: what to run; it must not be changed while the runner lives.
        threads: how many compute. With one, the same batches give the same bits.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        self._session = open_session(step.step, threads=threads)
        self._specs = step.batch
        self._buffers = tuple(spec.zeros() for spec in step.batch)
        self._rate = np.zeros((), np.float32)
        self._loss = np.zeros((), np.float32)
        self._sets = (step.carried, {name: np.empty_like(a) for name, a in step.carried.items()})
        self._now = 0
        self._bindings = [self._bound(number) for number in range(2)]

    def run(self, batch: Batch, rate: float) -> float:
        """Takes one step.

        Args:
            batch: arrays as `Step.batch` says.
            rate: the learning rate.

        Returns:
            The mean loss of the batch, before the step.
        """
        for buffer, array in zip(self._buffers, batch, strict=True):
            np.copyto(buffer, array, casting="same_kind")
        self._rate[...] = rate
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now
        return float(self._loss)

    @property
    def carried(self) -> dict[str, Array]:
        """Copies of the parameters and the state."""
        return {name: array.copy() for name, array in self._sets[self._now].items()}

    @property
    def is_finite(self) -> bool:
        """Whether no parameter and no state is NaN or infinite."""
        return all(np.isfinite(array).all() for array in self._sets[self._now].values())

    @property
    def before(self) -> dict[str, Array]:
        """All that the last step read: batch, rate, parameters and state. Not copied."""
        batch = {spec.name: a for spec, a in zip(self._specs, self._buffers, strict=True)}
        return batch | {RATE: self._rate} | self._sets[1 - self._now]

    def load(self, carried: Mapping[str, Array]) -> None:
        """Goes on from other parameters and state; those that are not named stay."""
        for name, array in carried.items():
            np.copyto(self._sets[self._now][name], array)

    def _bound(self, number: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        read = {spec.name: a for spec, a in zip(self._specs, self._buffers, strict=True)}
        read |= {RATE: self._rate} | self._sets[number]
        for name, array in read.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        written = {next_name(name): array for name, array in self._sets[1 - number].items()}
        for name, array in (written | {LOSS: self._loss}).items():
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
        return binding


class Evaluator:
    """Asks a model with any parameters.

    Args:
        step: whose evaluation to run; it must not be changed while the evaluator lives.
        threads: how many compute.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """

    def __init__(self, step: Step, *, threads: int = 1) -> None:
        self._session = open_session(step.evaluate, threads=threads)
        self._specs = step.batch
        self._names = [output.name for output in self._session.get_outputs()]
        self._needed = {value.name for value in self._session.get_inputs()}

    def run(self, batch: Batch, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
        """The loss of each row, float32 `[N]`, and what the model says, `[N, ...]`."""
        feeds = {
            spec.name: np.asarray(array, spec.dtype)
            for spec, array in zip(self._specs, batch, strict=True)
        }
        feeds |= {name: a for name, a in parameters.items() if name in self._needed}
        found = dict(zip(self._names, self._session.run(None, feeds), strict=True))
        losses = found.pop(LOSSES)
        return losses, next(iter(found.values()), losses)


def check_batch(specs: tuple[TensorSpec, ...], batch: Batch) -> None:
    """Refuses a batch that a step cannot take.

    Raises:
        InputError: an array is missing or too many, has another shape or kind of numbers, or
            numbers a class that there is not.
    """
    if len(batch) != len(specs):
        names = ", ".join(spec.name for spec in specs)
        raise InputError(f"the data gives {len(batch)} arrays, but the step takes {names}")
    for spec, array in zip(specs, batch, strict=True):
        if array.shape != spec.shape:
            raise InputError(
                f"{spec.name}: the data gives {list(array.shape[1:])} a sample, "
                f"but the model takes {list(spec.shape[1:])}"
            )
        if array.dtype != spec.dtype and not np.can_cast(array.dtype, spec.dtype, "same_kind"):
            raise InputError(f"{spec.name}: the data is {array.dtype}, not {spec.dtype}")
        if (
            spec.classes is not None and array.astype(np.uint64).max() >= spec.classes
        ):  # -1 is large
            wrong = array[(array < 0) | (array >= spec.classes)].flat[0]
            raise InputError(f"{spec.name}: the class {wrong} is not in 0..{spec.classes - 1}")
