"""Joins a source, stages, a session and sinks into a pipeline that runs until its source ends."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgekit.errors import EdgekitError
from edgekit.pipeline.mailbox import Mailbox, Policy
from edgekit.pipeline.parts import Inference, Refusal, Sample, Sink, Source, Stage
from edgekit.runtime.prediction import Prediction, Timing
from edgekit.runtime.session import Session

_log = logging.getLogger(__name__)
_LATENCIES_KEPT = 1024


Witness = Callable[[Sample, Prediction, Timing], None]
Tap = Callable[[Sample, Inference], None]


@dataclass
class Counts:
    """What a pipeline has done since it, or the one of its name that it stands in for, was made.

    Attributes:
        taken: samples that the source gave.
        skipped: samples that a newer one replaced before their turn came.
        refused: samples that could not be read, or that the model could not take.
        predictions: samples that the model answered.
        events: predictions that were told, and not held back by a stage.
        lost: events that a sink could not take.
    """

    taken: int = 0
    skipped: int = 0
    refused: int = 0
    predictions: int = 0
    events: int = 0
    lost: int = 0


@dataclass(frozen=True)
class Stages:
    """What stands between the source and the sinks.

    Attributes:
        samples: before the model, on the source's thread, before any sample is dropped.
        predictions: after the model; what they give is what listeners hear.
        gates: after those; what they hold back is not told to the sinks.
    """

    samples: Sequence[Stage[Sample]] = ()
    predictions: Sequence[Stage[Inference]] = ()
    gates: Sequence[Stage[Inference]] = ()

    def reset_samples(self) -> None:
        """There is a gap in the samples."""
        for stage in self.samples:
            stage.reset()

    def reset_predictions(self) -> None:
        """What comes next is of another model, or of another run."""
        for stage in (*self.predictions, *self.gates):
            stage.reset()


class PipelineRunner:
    """Runs one pipeline with two threads: one reads the source, one does the work.

    It may be run again after a run has ended; its counts go on.

    Attributes:
        name: the pipeline's name.
        source: where its samples come from.
        stages: what stands between.
        counts: what it has done; read by any thread, written by its own two.
        failure: why the last run's source or work broke, where it did.
        witness: sees each sample that the model answered, with the answer, while it is set; the
            sample's memory is only lent to it.
    """

    def __init__(
        self,
        name: str,
        *,
        source: Source,
        session: Session,
        sinks: Sequence[Sink],
        boot: str,
        stages: Stages | None = None,
        policy: Policy = "every",
        listener: Callable[[Inference], None] | None = None,
        counts: Counts | None = None,
    ) -> None:
        """Joins the parts; nothing runs yet.

        Args:
            name: the pipeline's name.
            source: where samples come from; opened and closed by each run.
            session: the model.
            sinks: what takes the events; whoever runs the pipeline opens and closes them.
            boot: the id of this run of the daemon.
            stages: what stands between.
            policy: what happens to samples that come faster than the work goes.
            listener: hears every prediction that the stages pass on, gated or not.
            counts: to go on from, where it stands in for a pipeline of that name before it.
        """
        self.name = name
        self.source = source
        self.stages = stages or Stages()
        self.counts = counts or Counts()
        self.failure: EdgekitError | None = None
        self.witness: Witness | None = None
        self._taps: dict[str, Tap] = {}  # replaced, never changed: the worker goes through it
        self._session = session
        self._sinks = sinks
        self._boot = boot
        self._policy = policy
        self._listener = listener
        self._mailbox = Mailbox(policy)
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._ages_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._busy_since_ns: int | None = None
        self._stopped = False
        self._has_gap = False

    @property
    def sinks(self) -> Sequence[Sink]:
        """What takes the events."""
        return self._sinks

    @property
    def session(self) -> Session:
        """The model that the next sample meets."""
        return self._session

    @property
    def waiting(self) -> int:
        """Samples whose turn has not come."""
        return len(self._mailbox)

    def show_to(self, owner: str, tap: Tap | None) -> None:
        """Lets somebody see each sample that the model answered, before the answer is told.

        Args:
            owner: who; in place of what that owner had before.
            tap: is called on the worker's thread, and the sample's memory is only lent to it;
                `None` to see no more.
        """
        others = {name: other for name, other in self._taps.items() if name != owner}
        self._taps = others if tap is None else {**others, owner: tap}

    def latencies_ms(self) -> list[float]:
        """Capture to prediction, for the last thousand or so."""
        return list(self._latencies_ms)

    def ages_ms(self) -> list[float]:
        """Capture to the start of work, for the last thousand or so."""
        return list(self._ages_ms)

    def busy_s(self) -> float:
        """For how long the worker has been at one and the same sample; 0 between samples."""
        since = self._busy_since_ns
        return 0.0 if since is None else (time.monotonic_ns() - since) / 1e9

    def swap(self, session: Session) -> None:
        """Gives the model that answers from the next sample on. From any thread.

        The new model must take what the old one took: `session.bundle.manifest.input` alike. The
        old one is closed once the work has left it.
        """
        self._session = session

    def run(self) -> None:
        """Works until the source ends or breaks, or until soon after `stop`.

        Why it broke is in `failure`, and raised where the source could not even be opened.

        Raises:
            EdgekitError: the source cannot be opened.
        """
        self.failure = None
        self._mailbox = Mailbox(self._policy)
        if self._stopped:
            return
        self.stages.reset_samples()
        self.stages.reset_predictions()
        with self.source:
            reader = threading.Thread(target=self._read, name=f"{self.name}-source", daemon=True)
            reader.start()
            try:
                self._answer_all()
            finally:
                self._end_run()
                reader.join()

    def stop(self) -> None:
        """Ends the run soon, and for good. From any thread, and more than once."""
        self._stopped = True
        self._end_run()

    def _end_run(self) -> None:
        self._mailbox.close(discard=True)
        self.source.stop()

    def _read(self) -> None:
        try:
            for item in self.source.items():
                if isinstance(item, Refusal):
                    self._refuse(item.reason)
                    self.stages.reset_samples()
                    self._has_gap = True
                    continue
                self.counts.taken += 1
                self._pass_on(item)
        except EdgekitError as error:
            self.failure = error
        except Exception as error:
            _log.exception("pipeline %s: a bug in its source", self.name)
            self.failure = EdgekitError(f"a bug in its source: {error!r}")
        finally:
            self._mailbox.close()

    def _pass_on(self, item: Sample) -> None:
        sample: Sample | None = item
        for stage in self.stages.samples:
            if sample is None:
                return
            sample = stage.push(sample)
        if sample is not None:
            self.counts.skipped += self._mailbox.put(sample)

    def _answer_all(self) -> None:
        answering = self._session
        while (sample := self._mailbox.take()) is not None:
            if self._session is not answering:
                answering.close()
                answering = self._session
                self._has_gap = True
            if self._has_gap:
                self._has_gap = False
                self.stages.reset_predictions()
            self._busy_since_ns = time.monotonic_ns()
            try:
                self._answer(sample, answering)
            finally:
                self._busy_since_ns = None
                sample.release()

    def _answer(self, sample: Sample, session: Session) -> None:
        try:
            prediction, timing = session.predict(sample.data, taken_at_ns=sample.taken_at_ns)
        except EdgekitError as error:
            self._refuse(f"{sample.origin}: {error}")
            self._has_gap = True
            return
        self.counts.predictions += 1
        self._latencies_ms.append((time.monotonic_ns() - sample.taken_at_ns) / 1e6)
        self._ages_ms.append(timing.age)
        inference = self._inference(sample, session, prediction, timing)
        for tap in self._taps.values():
            tap(sample, inference)
        self._pass_through(inference)
        if (witness := self.witness) is not None:
            witness(sample, prediction, timing)

    def _pass_through(self, inference: Inference) -> None:
        told: Inference | None = inference
        for stage in self.stages.predictions:
            if told is None:
                return
            told = stage.push(told)
        if told is not None and self._listener is not None:
            self._listener(told)
        for stage in self.stages.gates:
            if told is None:
                return
            told = stage.push(told)
        if told is not None:
            self._tell(told)

    def _inference(
        self, sample: Sample, session: Session, prediction: Prediction, timing: Timing
    ) -> Inference:
        manifest = session.bundle.manifest
        return Inference(
            pipeline=self.name,
            sequence=self.counts.events,
            boot=self._boot,
            model_name=manifest.name,
            model_version=manifest.version,
            model_hash=session.bundle.short_hash,
            captured_ms=sample.taken_at_ms,
            origin=sample.origin,
            prediction=prediction,
            timing=timing,
        )

    def _tell(self, inference: Inference) -> None:
        self.counts.events += 1  # whose number it has: nothing was told since it was made
        for sink in self._sinks:
            if not sink.send(inference):
                self.counts.lost += 1

    def _refuse(self, reason: str) -> None:
        self.counts.refused += 1
        _log.warning("pipeline %s: refused a sample: %s", self.name, reason)
