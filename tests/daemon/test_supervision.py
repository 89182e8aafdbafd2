"""A pipeline that breaks is run again, alone, and its neighbours never notice."""

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest

from edgekit.bundle import WindowRule
from edgekit.daemon.supervision import Supervised
from edgekit.errors import Stuck, Unavailable
from edgekit.pipeline.parts import Sample
from edgekit.pipeline.runner import PipelineRunner, Stages
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.pipeline.stages.window import Window
from edgekit.runtime.session import Session
from tests.samples import window_bundle

WAIT_S = 20.0


class Breaking:
    """Gives four rows a run, then breaks `breaks` times, then ends."""

    def __init__(self, breaks: int, error: Exception | None = None, *, on_open: bool = False):
        self.runs = 0
        self._breaks = breaks
        self._error = error or Unavailable("the sensor went away")
        self._on_open = on_open

    def __enter__(self) -> Self:
        self.runs += 1
        if self._on_open and self.runs <= self._breaks:
            raise self._error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def items(self) -> Iterator[Sample]:
        for _ in range(4):
            yield Sample(np.ones(2), 0, 0)
        if self.runs <= self._breaks:
            raise self._error

    def stop(self) -> None: ...


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder: Path = tmp_path_factory.mktemp("bundle")
    return Session.open(window_bundle(folder / "bundle").path)


def supervised(
    session: Session, source: Breaking, *, again: bool = True, delay_s: float = 0.0
) -> tuple[Supervised, MemorySink]:
    sink = MemorySink()
    stages = Stages(samples=[Window(WindowRule(length=4, hop=4, columns=("a", "b")))])
    runner = PipelineRunner(
        "pump", source=source, session=session, sinks=[sink], boot="b", stages=stages
    )
    forever = iter(lambda: delay_s, -1.0)
    return Supervised(runner, again=again, backoff=lambda: forever), sink


@pytest.mark.parametrize("on_open", [False, True])
def test_it_is_run_again_until_its_source_ends_by_itself(session: Session, on_open: bool) -> None:
    source = Breaking(3, on_open=on_open)
    pipeline, sink = supervised(session, source)
    pipeline.start()
    assert pipeline.join(WAIT_S)
    assert (pipeline.state, pipeline.restarts, source.runs) == ("ended", 3, 4)
    assert [event.sequence for event in sink.events] == list(range(1 if on_open else 4))


def test_a_bug_is_logged_with_its_traceback_and_survived(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline, _ = supervised(session, Breaking(1, ZeroDivisionError("a bug")))
    pipeline.start()
    assert pipeline.join(WAIT_S)
    assert pipeline.state == "ended"
    assert "ZeroDivisionError" in caplog.text


def test_a_file_that_cannot_be_read_stays_so(session: Session) -> None:
    pipeline, _ = supervised(session, Breaking(1), again=False)
    pipeline.start()
    assert pipeline.join(WAIT_S)
    assert (pipeline.state, pipeline.restarts) == ("failed", 0)


def test_a_driver_that_cannot_be_killed_is_not_tried_again(session: Session) -> None:
    pipeline, _ = supervised(session, Breaking(9, Stuck("the camera cannot be killed")))
    pipeline.start()
    assert pipeline.join(WAIT_S)
    assert (pipeline.state, pipeline.restarts) == ("stuck", 0)


def test_stopping_ends_a_long_wait(session: Session) -> None:
    waits = threading.Event()
    pipeline, _ = supervised(session, Breaking(9), delay_s=3600.0)
    pipeline._changed = lambda: waits.set() if pipeline.state == "backing-off" else None
    pipeline.start()
    assert waits.wait(WAIT_S)
    pipeline.stop()
    assert pipeline.join(WAIT_S)
    assert pipeline.state == "ended"
