"""The hub numbers what it tells, and never keeps the main thread."""

import threading

from edgekit.daemon.hub import Fused, Hub
from edgekit.daemon.numbering import Numbering
from edgekit.pipeline.fusion import Fusion
from edgekit.pipeline.parts import Event, Inference
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.runtime.prediction import AnomalyScore, Timing


def says(pipeline: str) -> Inference:
    """An anomaly score of a pipeline."""
    return Inference(
        pipeline=pipeline,
        sequence=0,
        boot="b",
        model_name="m",
        model_version="1.0.0",
        model_hash="h",
        captured_ms=0,
        origin="",
        prediction=AnomalyScore(2.0, 1.0),
        timing=Timing(age=0.0, prepare=0.0, infer=0.0, interpret=0.0),
    )


def site() -> Fusion:
    """A fusion of two pipelines."""
    return Fusion("site", {"hall": 0.5, "yard": 0.5}, window_s=60, boot="b")


def test_a_fusion_that_is_made_anew_numbers_on() -> None:
    sink, numbering = MemorySink(), Numbering()
    for _ in range(2):
        hub = Hub([Fused(site(), [sink])], numbering=numbering)
        for _ in range(2):
            hub.hear(says("hall"))
            hub.hear(says("yard"))
    assert [event.sequence for event in sink.events] == [0, 1, 2, 3]


class _Blocked(MemorySink):
    """Takes nothing until it may, like a pipe that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.is_in, self.may_go = threading.Event(), threading.Event()

    def send(self, event: Event) -> bool:
        self.is_in.set()
        return self.may_go.wait(60) and super().send(event)


def test_a_sink_that_hangs_does_not_keep_whoever_brings_the_passing_of_time() -> None:
    sink = _Blocked()
    hub = Hub([Fused(site(), [sink])])
    hub.hear(says("hall"))
    worker = threading.Thread(target=lambda: hub.hear(says("yard")))
    worker.start()
    assert sink.is_in.wait(60)
    hub.tick()
    assert hub.wait_s() is not None
    assert sink.events == []
    sink.may_go.set()
    worker.join()
    assert hub.wait_s() is None
    assert len(sink.events) == 1
