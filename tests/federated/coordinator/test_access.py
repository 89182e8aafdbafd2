"""Who may say what at a real broker with passwords and an access list."""

import queue
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.cli.serving import acl
from edgekit.deploy.provisioning.access import access_list
from edgekit.errors import Unavailable
from edgekit.federated.coordinator.access import coordinator_lines
from edgekit.federated.coordinator.line import Line
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import FederatedTopics, Topics
from tests.broker import PASSWORD, PATIENCE_S, need_program
from tests.federated.coordinator.conftest import FLEET, JOB, Scene
from tools.tuned_broker import TunedBroker

MINE, THEIRS = Topics(FLEET, "gate-1"), Topics(FLEET, "gate-2")
TOPICS = FederatedTopics(FLEET, JOB)
MODEL = TOPICS.model(bytes(16), 0)


@pytest.fixture(scope="module")
def guarded() -> Iterator[TunedBroker]:
    """A broker with the access lists that edgekit makes."""
    need_program("mosquitto", "mosquitto")
    need_program("mosquitto_passwd", "mosquitto")
    boards = [("gate-1", MINE), ("gate-2", THEIRS)]
    lists = access_list(boards) + "\n".join(coordinator_lines("leader", TOPICS)) + "\n"
    users = dict.fromkeys(["gate-1", "gate-2", "leader"], PASSWORD)
    with TunedBroker(users=users) as broker:
        broker.stop()
        (broker.folder / "acl").write_text(lists)
        broker.start()
        yield broker


class Somebody:
    """A client with a user name."""

    def __init__(self, broker: TunedBroker, user: str) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: queue.Queue[bool] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self.client.username_pw_set(user, PASSWORD)
        self.client.on_message = lambda _c, _d, m: self.heard.put((m.topic, bytes(m.payload)))
        self.client.on_publish = lambda _c, _d, _m, code, _p: self.answers.put(not code.is_failure)
        self.client.on_subscribe = lambda _c, _d, _m, codes, _p: self.answers.put(
            not any(code.is_failure for code in codes)
        )
        self.client.connect(broker.host, broker.port)
        self.client.loop_start()

    def may_write(self, topic: str) -> bool:
        """Whether the broker takes what it publishes there."""
        self.client.publish(topic, b"x", 1)
        return self.answers.get(timeout=PATIENCE_S)

    def listen(self, topic: str) -> None:
        """Asks for a topic; mosquitto lets everybody ask, and sends only what may be read."""
        self.client.subscribe(topic, 1)
        self.answers.get(timeout=PATIENCE_S)


@contextmanager
def somebody(broker: TunedBroker, user: str) -> Iterator[Somebody]:
    here = Somebody(broker, user)
    try:
        yield here
    finally:
        here.client.disconnect()
        here.client.loop_stop()


def test_a_board_cannot_write_as_another_nor_as_the_coordinator(guarded: TunedBroker) -> None:
    with somebody(guarded, "gate-1") as board:
        assert board.may_write(MINE.federated(JOB, "up"))
        assert board.may_write(MINE.federated(JOB, "ready"))
        assert not board.may_write(THEIRS.federated(JOB, "up"))
        assert not board.may_write(THEIRS.federated(JOB, "ready"))
        assert not board.may_write(THEIRS.federated(JOB, "down"))
        assert not board.may_write(THEIRS.status)
        assert not board.may_write(MODEL)


def test_the_coordinator_writes_models_and_invitations_and_nothing_else(
    guarded: TunedBroker,
) -> None:
    with somebody(guarded, "leader") as leader:
        assert leader.may_write(MODEL)
        assert leader.may_write(MINE.federated(JOB, "down"))
        assert not leader.may_write(MINE.federated(JOB, "up"))
        assert not leader.may_write(MINE.federated("another", "down"))
        assert not leader.may_write(MINE.command("stop"))
        assert not leader.may_write(MINE.deploy_desired("digits"))


def test_a_board_reads_models_and_its_own_invitations_and_no_update_of_others(
    guarded: TunedBroker,
) -> None:
    with somebody(guarded, "gate-1") as board, somebody(guarded, "gate-2") as other:
        for topic in (MODEL, MINE.federated(JOB, "down")):
            board.listen(topic)
        for topic in ("#", "edgekit/v1/+/+/fl/+/up", THEIRS.federated(JOB, "up")):
            board.listen(topic)
        board.listen(THEIRS.federated(JOB, "down"))
        assert other.may_write(THEIRS.federated(JOB, "up"))
        with somebody(guarded, "leader") as leader:
            assert leader.may_write(THEIRS.federated(JOB, "down"))
            assert leader.may_write(MINE.federated(JOB, "down"))
            assert leader.may_write(MODEL)
        seen = set()
        while MODEL not in seen:  # the last that was written
            seen.add(board.heard.get(timeout=PATIENCE_S)[0])
        assert seen == {MINE.federated(JOB, "down"), MODEL}


def test_a_coordinator_without_its_lines_is_told_what_it_lacks(guarded: TunedBroker) -> None:
    settings = MqttSettings(
        host=guarded.host, port=guarded.port, username="gate-1", password=PASSWORD
    )
    line = Line(
        settings, "somebody", mark=f"{MODEL}/mark", most_bytes=1000, sender_of=lambda topic: ""
    )
    with line, pytest.raises(Unavailable, match="does not let us write to boards"):
        line.listen([TOPICS.from_boards("up")])


def test_the_command_prints_the_lines(scene: Scene, tmp_path: Path) -> None:
    path = scene.write()
    done = CliRunner().invoke(acl, [str(path), "--user", "leader"])
    assert done.exit_code == 0
    assert done.output.splitlines() == coordinator_lines("leader", TOPICS)
