"""An update of 20 MB travels beside telemetry, and pushes none of it out of the link's line."""

import threading
from pathlib import Path

import pytest

from edgekit.daemon.federated.voice import Voice
from edgekit.daemon.standing import status_of
from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import Task, perceptron
from edgekit.learning.federated.framing import chunked
from edgekit.messaging.link import MqttLink
from edgekit.messaging.outgoing import LinkCounts
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import MemoryWire
from edgekit.train.losses import CrossEntropy
from tests.broker import listening, settings_for
from tests.daemon.federated.conftest import Boards
from tests.daemon.federated.test_system import documents, job, serving
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
TELEMETRY = "edgekit/v1/test/board/telemetry/gate"
ROOM = 100
"""Messages in the link's line; the update has 160 chunks."""


class FullWire(MemoryWire):
    """A wire whose line holds as much as a test says."""

    waiting = 0

    @property
    def counts(self) -> LinkCounts:
        return LinkCounts(0, 0, dropped=0, waiting=self.waiting)


def test_a_long_message_waits_for_room_and_no_chunk_of_it_waits_twice() -> None:
    wire = FullWire()
    voice = Voice(wire, Topics("test", "board"), "digits", lambda message: None)
    message = bytes(range(256)) * 400
    chunks = chunked(message, 512)
    wire.waiting = 1000
    voice.send([message], 512)
    assert wire.sent == []
    voice.send_chunks(chunks[5:9])  # they are wanted, and wait already
    for waiting, more in ((15, 1), (16, 0), (10, 6), (0, 16)):
        wire.waiting, before = waiting, len(wire.sent)
        assert voice.go_on() is bool(more)
        assert len(wire.sent) == before + more
    while voice.waits:
        voice.go_on()
    assert [sent.payload for sent in wire.sent] == chunks


def test_what_a_round_that_is_over_had_to_say_is_dropped() -> None:
    wire = FullWire()
    wire.waiting = 1000
    voice = Voice(wire, Topics("test", "board"), "digits", lambda message: None)
    voice.send([bytes(10_000)], 512)
    voice.drop()
    wire.waiting = 0
    assert not voice.go_on()
    assert wire.sent == []


def test_an_update_of_20_mb_pushes_no_telemetry_out(
    tmp_path: Path, broker: PrivateBroker, task: Task
) -> None:
    step = compile_federated_step(perceptron((64, 67_000, 10), 0), CrossEntropy(), rows=32)
    step.save(tmp_path / "bundle" / "train")
    path = job(
        tmp_path,
        tmp_path / "bundle",
        broker,
        task,
        "[rounds]\ncount = 1\nminimum = 1\ndeadline_s = 100\n[training]\nrate = 0.01\n",
        shape=(-1, 64),
    )
    link = MqttLink(
        settings_for(broker, max_queued=ROOM), Topics("test", "board"), status_of("b1", {})
    )
    boards = Boards(tmp_path / "bundle" / "train", broker, tmp_path / "state", task)
    samples = tuple(part[:64] for part in task.clients.samples(0))
    over, said = threading.Event(), 0
    with listening(broker, TELEMETRY) as listener, link, serving(path) as coordinator:
        told: list[object] = []

        def wait() -> None:
            try:
                told.extend(documents(coordinator))
            finally:
                over.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        with boards.board(link=link, samples=samples):
            while not over.wait(0.005):
                link.publish(TELEMETRY, str(said).encode())
                said += 1
        waiter.join()
        assert link.wait_until_acknowledged(20)
        heard = [int(listener.next().payload) for _ in range(said)]
    assert heard == list(range(said))
    assert link.counts.dropped == 0
    summary = told[-1]["summary"]  # type: ignore[index]
    assert (summary["state"], summary["last"]["updates"]) == ("finished", 1)
    assert summary["last"]["bytes_up"] > 20_000_000
