"""Joins a source, stages, a session and sinks into a pipeline that runs until its source ends."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgekit.errors import EdgekitError
from edgekit.pipeline.mailbox import Mailbox
from edgekit.pipeline.parts import Inference, Refusal, Sample, Sink, Source, Stage
from edgekit.runtime.session import Session

_log = logging.getLogger(__name__)
_LATENCIES_KEPT = 1024


@dataclass
class Counts:
    """What a pipeline has done since it started.

    Attributes:
        taken: samples that the source gave.
        refused: samples that could not be read, or that the model could not take.
        predictions: events made.
        lost: events that a sink could not take.
    """

    taken: int = 0
    refused: int = 0
    predictions: int = 0
    lost: int = 0


class PipelineRunner:
    """Runs one pipeline with two threads: one reads the source, one does the work.

    Attributes:
        name: the pipeline's name.
        counts: what it has done; read by any thread, written by its own two.
        failure: why the source broke, where it did.
    """

    def __init__(
        self,
        name: str,
        *,
        source: Source,
        session: Session,
        sinks: Sequence[Sink],
        boot: str,
        stages: Sequence[Stage[Sample]] = (),
        policy: Literal["newest", "every"] = "every",
    ) -> None:
        self.name = name
        self.counts = Counts()
        self.failure: EdgekitError | None = None
        self._source = source
        self._stages = stages
        self._session = session
        self._sinks = sinks
        self._boot = boot
        self._mailbox = Mailbox(policy)
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    @property
    def sinks(self) -> Sequence[Sink]:
        """What takes the events; whoever runs the pipeline opens and closes them."""
        return self._sinks

    @property
    def skipped(self) -> int:
        """Samples that a newer one replaced before their turn came."""
        return self._mailbox.skipped

    @property
    def waiting(self) -> int:
        """Samples whose turn has not come."""
        return len(self._mailbox)

    def latencies_ms(self) -> list[float]:
        """Capture to prediction, for the last thousand or so."""
        return list(self._latencies_ms)

    def run(self) -> None:
        """Works until the source ends, or until soon after `stop`."""
        with self._source:
            reader = threading.Thread(target=self._read, name=f"{self.name}-source", daemon=True)
            reader.start()
            try:
                while (sample := self._mailbox.take()) is not None:
                    try:
                        self._work(sample)
                    finally:
                        sample.release()
            finally:
                self.stop()
                reader.join()

    def stop(self) -> None:
        """Ends the run soon. May be called from another thread, and more than once."""
        self._mailbox.close(discard=True)
        self._source.stop()

    def _read(self) -> None:
        try:
            for item in self._source.items():
                if isinstance(item, Refusal):
                    self._refuse(item.reason)
                    for stage in self._stages:
                        stage.reset()
                    continue
                self.counts.taken += 1
                self._pass_on(item)
        except EdgekitError as error:
            self.failure = error
            _log.error("pipeline %s: its source failed: %s", self.name, error)
        except Exception:
            _log.exception("pipeline %s: a bug in its source", self.name)
            self.failure = EdgekitError("a bug in its source")
        finally:
            self._mailbox.close()

    def _pass_on(self, item: Sample) -> None:
        sample: Sample | None = item
        for stage in self._stages:
            if sample is None:
                return
            sample = stage.push(sample)
        if sample is not None:
            self._mailbox.put(sample)

    def _work(self, sample: Sample) -> None:
        try:
            prediction, timing = self._session.predict(sample.data, taken_at_ns=sample.taken_at_ns)
        except EdgekitError as error:
            self._refuse(f"{sample.origin}: {error}")
            return
        manifest = self._session.bundle.manifest
        event = Inference(
            pipeline=self.name,
            sequence=self.counts.predictions,
            boot=self._boot,
            model_name=manifest.name,
            model_version=manifest.version,
            model_hash=self._session.bundle.short_hash,
            captured_ms=sample.taken_at_ms,
            origin=sample.origin,
            prediction=prediction,
            timing=timing,
        )
        self.counts.predictions += 1
        self._latencies_ms.append((time.monotonic_ns() - sample.taken_at_ns) / 1e6)
        for sink in self._sinks:
            if not sink.send(event):
                self.counts.lost += 1

    def _refuse(self, reason: str) -> None:
        self.counts.refused += 1
        _log.warning("pipeline %s: refused a sample: %s", self.name, reason)
