"""The one place where a pipeline's items wait: bounded, and honest about what it drops."""

from collections import deque
from threading import Condition
from typing import Literal

from edgekit.pipeline.parts import Sample

Policy = Literal["newest", "every"]


class Mailbox:
    """Hands samples from the source's thread to the worker's.

    With the policy `newest` there is room for one: a newer sample takes its place, so latency
    never grows with load. With `every` the source waits while `capacity` samples do.
    """

    def __init__(self, policy: Policy, *, capacity: int = 2) -> None:
        self._capacity = 1 if policy == "newest" else capacity
        self._replaces = policy == "newest"
        self._samples: deque[Sample] = deque()
        self._changed = Condition()
        self._closed = False

    def put(self, sample: Sample) -> int:
        """Leaves a sample, or lets it go once closed; gives how many it took the place of."""
        replaced = 0
        with self._changed:
            if self._replaces and self._samples and not self._closed:
                self._samples.popleft().release()
                replaced = 1
            while len(self._samples) >= self._capacity and not self._closed:
                self._changed.wait()
            if self._closed:
                sample.release()
            else:
                self._samples.append(sample)
            self._changed.notify_all()
            return replaced

    def take(self) -> Sample | None:
        """The next sample, when there is one; `None` when there will be no more."""
        with self._changed:
            while not self._samples and not self._closed:
                self._changed.wait()
            if not self._samples:
                return None
            sample = self._samples.popleft()
            self._changed.notify_all()
            return sample

    def close(self, *, discard: bool = False) -> None:
        """No more samples will come; those that wait can still be taken unless discarded."""
        with self._changed:
            self._closed = True
            while discard and self._samples:
                self._samples.popleft().release()
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._samples)
