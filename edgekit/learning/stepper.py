"""Runs steps in ONNX Runtime; parameters and state never leave it between two steps."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort

from edgekit.array import Array
from edgekit.learning.specs import LOSS, RATE, TensorSpec, next_name


class Stepper:
    """Takes step after step.

    Parameters and state are there twice. Each step reads one set and writes the other, so that
    nothing is copied, and what was before a step is still known after it.

    Args:
        session: of a step's graph. With one thread, the same batches give the same bits.
        batch: what each batch brings, in order.
        carried: the first parameters and state, by name; this becomes one of the two sets.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        batch: Sequence[TensorSpec],
        carried: Mapping[str, Array],
    ) -> None:
        self._session = session
        self._buffers = {spec.name: spec.zeros() for spec in batch}
        self._rate = np.zeros((), np.float32)
        self._loss = np.zeros((), np.float32)
        self._sets = (dict(carried), {name: np.empty_like(a) for name, a in carried.items()})
        self._now = 0
        self._bindings = [self._bound(number) for number in range(2)]

    def run(self, batch: Sequence[Array], rate: float) -> float:
        """Takes one step.

        Args:
            batch: arrays of the shapes and kinds that were announced.
            rate: the learning rate.

        Returns:
            The mean loss of the batch, before the step.
        """
        for buffer, array in zip(self._buffers.values(), batch, strict=True):
            np.copyto(buffer, array, casting="same_kind")
        self._rate[...] = rate
        self._session.run_with_iobinding(self._bindings[self._now])
        self._now = 1 - self._now
        return float(self._loss)

    @property
    def current(self) -> Mapping[str, Array]:
        """The parameters and the state as they are now. Not copied: the next step but one
        writes over them.
        """
        return self._sets[self._now]

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
        return self._buffers | {RATE: self._rate} | self._sets[1 - self._now]

    def load(self, carried: Mapping[str, Array]) -> None:
        """Goes on from other parameters and state; those that are not named stay."""
        for name, array in carried.items():
            np.copyto(self._sets[self._now][name], array)

    def _bound(self, number: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        read = self._buffers | {RATE: self._rate} | self._sets[number]
        for name, array in read.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        written = {next_name(name): array for name, array in self._sets[1 - number].items()}
        for name, array in (written | {LOSS: self._loss}).items():
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
        return binding
