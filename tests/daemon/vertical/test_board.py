"""A board that answers a label holder, without a broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgekit.config.vertical import VerticalTable
from edgekit.daemon.vertical.board import VerticalBoard
from edgekit.daemon.vertical.samples import TimedSamples
from edgekit.federated.vertical import compile_bottom
from edgekit.graph.build import GraphBuilder
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import encode
from edgekit.learning.federated.vertical.messages import Turn
from edgekit.learning.specs import TensorSpec
from edgekit.messaging.incoming import Received
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import MemoryWire
from edgekit.pipeline.parts import Sample
from tests.daemon.process import until
from tests.samples import window_bundle

TOPICS = Topics("plant", "press-1")
TURN = encode(Turn(run="0" * 16, number=1))


class Breaking(MemoryWire):
    """A wire whose first message breaks it in a way that nobody thought of."""

    def __init__(self) -> None:
        super().__init__()
        self.broke = False

    def publish(self, topic: str, payload: bytes, **more: object) -> bool:
        if not self.broke:
            self.broke = True
            raise RuntimeError("nobody thought of this")
        return super().publish(topic, payload, **more)  # type: ignore[arg-type]


@contextmanager
def board(folder: Path, wire: MemoryWire) -> Iterator[VerticalBoard]:
    build = GraphBuilder("bottom")
    value = build.op("Flatten", build.input("window", np.float32, (1, 4, 2)), axis=1)
    weights = build.constant(np.ones((8, 3), np.float32), "w")
    seen = build.op("MatMul", value, weights)
    compile_bottom(build.finish(seen=(seen, np.float32, (1, 3))), rows=4).save(folder / "bottom")
    (folder / "secret").write_text("0123456789abcdef")
    table = VerticalTable(
        pipeline="press", bottom=folder / "bottom", secret_file=folder / "secret", period_s=10
    )
    spec = window_bundle(folder / "mean").manifest.input
    opened = VerticalBoard("wear", table, spec, state=folder, link=wire, topics=TOPICS)
    with opened:
        yield opened


def ask(wire: MemoryWire) -> None:
    for chunk in chunked(TURN, 4096):
        wire.deliver(Received(TOPICS.federated("wear", "down"), chunk))


def test_samples_are_kept_while_a_label_holder_asks_without_a_pause(tmp_path: Path) -> None:
    wire = MemoryWire()
    with board(tmp_path, wire) as opened:
        opened.samples.take(Sample(np.zeros((4, 2)), 0, 1_700_000_000_000))
        ask(wire)
        until(lambda: bool(wire.sent), "the answer")
        assert len(opened.samples) == 1


def test_a_burst_of_samples_has_them_stored_before_there_is_no_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = window_bundle(tmp_path / "mean").manifest.input
    woken: list[int] = []
    samples = TimedSamples(
        tmp_path / "samples.db",
        spec,
        TensorSpec("window", "float32", (4, 2)),
        period_ms=1000,
        secret=b"0123456789abcdef",
        limit_bytes=1_000_000,
        max_age_s=None,
        wake=lambda: woken.append(1),
    )
    for number in range(100):
        samples.take(Sample(np.zeros((4, 2)), 0, 1000 * number))
    samples.store()
    assert woken == [1]
    assert len(samples) == 64
    assert "36 samples came faster" in caplog.text
    for number in range(100, 133):
        samples.take(Sample(np.zeros((4, 2)), 0, 1000 * number))
    assert woken == [1, 1]
    samples.close()


def test_a_bug_in_one_answer_does_not_silence_the_board(tmp_path: Path) -> None:
    wire = Breaking()
    with board(tmp_path, wire):
        ask(wire)
        until(lambda: wire.broke, "the bug")
        ask(wire)
        until(lambda: bool(wire.sent), "the answer to the second question")


def test_what_a_board_keeps_is_nobody_elses(tmp_path: Path) -> None:
    with board(tmp_path, MemoryWire()):
        assert (tmp_path / "vertical" / "wear").stat().st_mode & 0o077 == 0
