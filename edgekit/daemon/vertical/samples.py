"""Keeps what a pipeline sees with its time, for samples that other boards see at that time, too."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec
from edgekit.errors import InputError
from edgekit.learning.buffer import SampleBuffer
from edgekit.learning.federated.vertical.aligning import timed
from edgekit.learning.specs import TensorSpec
from edgekit.pipeline.parts import Sample
from edgekit.runtime.interpret import dequantized
from edgekit.runtime.prepare import prepare

_log = logging.getLogger(__name__)
_MOST_PENDING = 64


class TimedSamples:
    """A buffer of the first sample of each period; none leaves the board.

    `take` never waits; `store`, which whoever learns calls, writes what was taken.

    Args:
        path: the buffer's file.
        spec: what the pipeline's model takes.
        features: what the bottom takes, without a batch's axis.
        period_ms: how long samples count as simultaneous.
        secret: see `timed`.
        limit_bytes: see `SampleBuffer`.
        max_age_s: see there.
        clock: seconds since 1970.
        wake: is called from `take` when half of what may wait does: `store` is due.

    Raises:
        InputError: the bottom takes another number of features than the model, or the file is
            damaged.
    """

    def __init__(
        self,
        path: Path,
        spec: InputSpec,
        features: TensorSpec,
        *,
        period_ms: int,
        secret: bytes,
        limit_bytes: int,
        max_age_s: float | None = None,
        clock: Callable[[], float] = time.time,
        wake: Callable[[], object] = lambda: None,
    ) -> None:
        if np.prod(spec.shape) != np.prod(features.shape):
            raise InputError(
                f"the bottom takes {list(features.shape)}, the pipeline's model {list(spec.shape)}"
            )
        self._spec, self._features = spec, features
        self._period_ms, self._secret = period_ms, secret
        self._wake, self._lost = wake, 0
        self._pending: deque[tuple[int, Array]] = deque()
        self._lock = threading.Lock()
        self._last: int | None = None
        self._buffer = SampleBuffer(
            path,
            (TensorSpec("time_ms", "int64", ()), features),
            limit_bytes=limit_bytes,
            max_age_s=max_age_s,
            clock=clock,
        )

    def take(self, sample: Sample) -> None:
        """Takes a sample; on the pipeline's thread, while the sample's memory is lent."""
        period = sample.taken_at_ms // self._period_ms
        if period == self._last:
            return
        with self._lock:
            waiting = len(self._pending)
            if waiting < _MOST_PENDING:
                self._last = period
                self._pending.append((sample.taken_at_ms, np.array(sample.data)))
            else:
                self._lost += 1
        if waiting == _MOST_PENDING // 2:
            self._wake()

    def store(self) -> None:
        """Writes what waits; for one thread at a time."""
        with self._lock:
            lost, self._lost = self._lost, 0
        if lost:
            _log.warning("%d samples came faster than they can be kept", lost)
        while True:
            with self._lock:
                if not self._pending:
                    return
                time_ms, data = self._pending.popleft()
            try:
                tensor = prepare(data, self._spec)
                if self._spec.quantization is not None and self._features.dtype == "float32":
                    tensor = dequantized(tensor, self._spec.quantization)
                seen = tensor.reshape(self._features.shape).astype(self._features.dtype)
                self._buffer.add(np.array(time_ms, np.int64), seen)
            except InputError as error:
                _log.warning("a sample is not kept: %s", error)

    def samples(self) -> tuple[Array, Sequence[bytes | None]]:
        """Features `[samples, ...]`, oldest first, and the key of each one's time.

        Raises:
            InputError: the file is damaged.
        """
        self.store()
        times, features = self._buffer.samples().arrays
        return features, timed(times.tolist(), self._period_ms, self._secret)

    def __len__(self) -> int:
        return len(self._buffer)

    def close(self) -> None:
        """Writes what waits, and lets go of the file."""
        self.store()
        self._buffer.close()
