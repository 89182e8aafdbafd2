"""Keeps a pipeline running: runs it again, after a wait, whenever its source breaks."""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from edgekit.errors import EdgekitError, Stuck
from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.payloads import PipelineState
from edgekit.pipeline.runner import PipelineRunner

_log = logging.getLogger(__name__)
_WELL_AFTER_S = 30.0


class Supervised:
    """A pipeline with a thread of its own that runs it until its source ends by itself.

    A source that breaks, or a bug in the pipeline's work, ends one run; after a jittered back-off
    there is another, for ever, unless `restarts` is off: a file that cannot be read stays so. The
    back-off starts afresh after a run that gave samples for half a minute.

    Attributes:
        runner: the pipeline.
        state: where it stands.
        restarts: how many runs there were after the first.
    """

    def __init__(
        self,
        runner: PipelineRunner,
        *,
        again: bool,
        changed: Callable[[], None] = lambda: None,
        backoff: Callable[[], Iterator[float]] = jittered_backoff,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the thread; `start` starts it.

        Args:
            runner: the pipeline.
            again: whether it is run again after it broke.
            changed: called at each change of state.
            backoff: gives the seconds to wait before each next run.
            clock_s: seconds that never jump.
        """
        self.runner = runner
        self.state: PipelineState = "starting"
        self.restarts = 0
        self._again = again
        self._changed = changed
        self._backoff = backoff
        self._clock_s = clock_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._supervise, name=runner.name, daemon=True)

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.runner.name

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def start(self) -> None:
        """Runs it from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Ends it soon. From any thread, and more than once."""
        self._stopped.set()
        self.runner.stop()

    def join(self, timeout_s: float) -> bool:
        """Waits for its end; says whether it came."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def _supervise(self) -> None:
        delays = self._backoff()
        while not self._stopped.is_set():
            started, before = self._clock_s(), self.runner.counts.taken
            self._enter("running")
            failure = self._run_once()
            if failure is None or self._stopped.is_set():
                self._enter("ended")
                return
            if isinstance(failure, Stuck):
                _log.critical("pipeline %s: %s", self.name, failure)
                self._enter("stuck")
                return
            if not self._again:
                _log.error("pipeline %s: %s", self.name, failure)
                self._enter("failed")
                return
            if self._clock_s() - started > _WELL_AFTER_S and self.runner.counts.taken > before:
                delays = self._backoff()
            delay = next(delays)
            _log.error("pipeline %s: %s (again in %.1f s)", self.name, failure, delay)
            self._enter("backing-off")
            self._stopped.wait(delay)
            self.restarts += 1
        self._enter("ended")

    def _run_once(self) -> EdgekitError | None:
        """Runs the pipeline once; gives why it broke, if it did."""
        try:
            self.runner.run()
        except EdgekitError as error:
            self.runner.failure = error
        except Exception as error:
            _log.exception("pipeline %s: a bug", self.name)
            self.runner.failure = EdgekitError(f"a bug: {error!r}")
        return self.runner.failure

    def _enter(self, state: PipelineState) -> None:
        self.state = state
        self._changed()
