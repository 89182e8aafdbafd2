"""The link, against a real mosquitto with TLS and passwords on."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Literal

import pytest

from edgekit.messaging.link import LinkCounts, MqttLink, MqttSettings
from edgekit.messaging.payloads import decode_status, encode
from tests.broker import PATIENCE_S, listening, settings_for
from tests.messaging.linking import (
    STATUS,
    TOPICS,
    Counted,
    Said,
    make_link,
    next_payloads,
    next_status,
)
from tools.private_broker import PrivateBroker


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_arrive_in_order_and_are_counted(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    topic = TOPICS.infer("door")
    with listening(broker) as listener, make_link(settings_for(broker, version=version)) as link:
        assert link.wait_connected(PATIENCE_S)
        for number in range(200):
            assert link.publish(topic, b"%d" % number)
        assert next_payloads(listener, 200, topic) == [b"%d" % number for number in range(200)]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(sent=200, acknowledged=200, dropped=0, waiting=0)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_was_queued_before_the_broker_was_there_arrives(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    broker.stop()
    tried = Counted(3)
    link = MqttLink(settings_for(broker, version=version), TOPICS, STATUS, backoff=tried)
    with link:
        for number in range(50):
            link.publish("edgekit/queued", b"%d" % number, retain=number == 49)
        assert tried.reached.wait(PATIENCE_S)
        assert link.counts.waiting == 50
        assert not link.connected
        broker.start()
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(sent=50, acknowledged=50, dropped=0, waiting=0)
        with listening(broker) as late:
            retained = {heard.topic: heard for heard in (late.next(), late.next())}
        assert decode_status(retained[TOPICS.status].payload) == STATUS
        assert retained[TOPICS.status].retained
        assert retained["edgekit/queued"].payload == b"49"


@pytest.mark.broker
def test_qos_0_is_sent_and_counted_too(broker: PrivateBroker) -> None:
    with listening(broker) as listener, make_link(settings_for(broker)) as link:
        link.publish("edgekit/zero", b"0", qos=0)
        assert next_payloads(listener, 1, "edgekit/zero") == [b"0"]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts.acknowledged == 1


@pytest.mark.broker
def test_many_threads_may_publish_at_once(broker: PrivateBroker) -> None:
    with listening(broker) as listener, make_link(settings_for(broker)) as link:

        def publish(name: int) -> None:
            for number in range(50):
                link.publish(f"edgekit/{name}", b"%d" % number)

        threads = [threading.Thread(target=publish, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts.acknowledged == 200
        heard: dict[str, list[bytes]] = {}
        while sum(map(len, heard.values())) < 200:
            message = listener.next()
            if message.topic != TOPICS.status:
                heard.setdefault(message.topic, []).append(message.payload)
        assert all(lines == [b"%d" % n for n in range(50)] for lines in heard.values())


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_restarts_hears_the_status_again_and_loses_nothing(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    with make_link(settings_for(broker, version=version)) as link:
        assert link.wait_connected(PATIENCE_S)
        stop_publishing = threading.Event()
        published = 0

        def publish() -> None:
            nonlocal published
            while not stop_publishing.is_set() and published < 900:
                published += link.publish("edgekit/stream", b"x")

        stream = threading.Thread(target=publish)
        stream.start()
        broker.stop()
        broker.start()
        with listening(broker) as listener:
            assert next_status(listener) == STATUS
        stop_publishing.set()
        stream.join()
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(published, published, 0, 0)


_BOARD_PROGRAM = """
import pathlib, sys
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import decode_status
from edgekit.messaging.topics import Topics

host, port, version, user, password, ca, status = sys.argv[1:]
settings = MqttSettings(host, int(port), version, user, password, pathlib.Path(ca))
with MqttLink(settings, Topics("lab", "board"), decode_status(status.encode())):
    sys.stdin.read()
"""


def _board_process(settings: MqttSettings) -> "subprocess.Popen[bytes]":
    """A board in a process of its own, which can be killed without a chance to say goodbye."""
    who = (settings.username, settings.password, settings.ca, encode(STATUS).decode())
    arguments = (settings.host, settings.port, settings.version, *who)
    command = [sys.executable, "-c", _BOARD_PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_killed_board_is_said_to_be_offline_by_its_will(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    with listening(broker) as listener:
        with _board_process(settings_for(broker, version=version)) as board:
            assert next_status(listener) == STATUS
            board.kill()
        assert next_status(listener) == STATUS.offline("the connection was lost")
    with listening(broker) as late:
        heard = late.next()
        assert heard.retained
        assert decode_status(heard.payload).state == "offline"


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_the_will_of_a_dead_connection_never_follows_a_new_connect(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    settings = settings_for(broker, version=version)
    with listening(broker) as listener, _board_process(settings) as board:
        assert next_status(listener) == STATUS
        board.send_signal(signal.SIGSTOP)  # its connection stands, as after a power cut
        with make_link(settings) as link:
            assert link.wait_connected(PATIENCE_S)
            board.kill()
            board.wait()
            link.publish("edgekit/mark", b"")
            assert link.wait_until_acknowledged(PATIENCE_S)
            with listening(broker, TOPICS.status) as late:
                assert next_status(late) == STATUS


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_clean_end_says_why_after_all_else_has_arrived(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    with listening(broker) as listener:
        with make_link(settings_for(broker, version=version)) as link:
            assert next_status(listener) == STATUS
            for number in range(30):
                link.publish("edgekit/last", b"%d" % number)
            link.close("SIGTERM")
            assert not link.publish("edgekit/last", b"too late")
        assert len(next_payloads(listener, 30, "edgekit/last")) == 30
        assert next_status(listener) == STATUS.offline("SIGTERM")
        assert link.counts == LinkCounts(30, 30, 0, 0)
    with listening(broker) as late:
        assert next_status(late) == STATUS.offline("SIGTERM")  # no will came after it


def _raise_key_error(connected: bool) -> None:
    raise KeyError(connected)


@pytest.mark.broker
def test_an_exception_in_the_block_is_the_reason(broker: PrivateBroker) -> None:
    with listening(broker) as listener:
        link = make_link(settings_for(broker))
        with pytest.raises(KeyError), link:
            _raise_key_error(link.wait_connected(PATIENCE_S))
        assert next_status(listener) == STATUS
        assert next_status(listener) == STATUS.offline("stopped by KeyError")


@pytest.mark.broker
def test_closing_does_not_wait_for_a_broker_that_hangs(broker: PrivateBroker, said: Said) -> None:
    with make_link(settings_for(broker)) as link:
        assert link.wait_connected(PATIENCE_S)
        os.kill(broker.pid, signal.SIGSTOP)
        link.publish("edgekit/x", b"x")
        started = time.monotonic()
        link.close(timeout_s=0.4)
        assert time.monotonic() - started < 1.5
    assert link.counts.dropped == 1
    assert "1 messages never reached" in said.first()


@pytest.mark.broker
def test_a_goodbye_that_is_not_confirmed_leaves_it_to_the_will(broker: PrivateBroker) -> None:
    with listening(broker) as listener:
        with make_link(settings_for(broker)) as link:
            assert next_status(listener) == STATUS
            os.kill(broker.pid, signal.SIGSTOP)
            link.close("SIGTERM", timeout_s=0.2)
        os.kill(broker.pid, signal.SIGCONT)
        states = [next_status(listener)]
        if states[-1].reason == "SIGTERM":  # the goodbye was in the socket already
            states.append(next_status(listener))
        assert states[-1] == STATUS.offline("the connection was lost")


def test_closing_does_not_wait_for_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        with make_link(MqttSettings("127.0.0.1", server.getsockname()[1])) as link:
            connection, _address = server.accept()
            with connection:
                assert connection.recv(1)
                started = time.monotonic()
                link.close()
                assert time.monotonic() - started < 1.5


@pytest.mark.broker
def test_a_full_line_drops_its_oldest_and_counts_it(broker: PrivateBroker) -> None:
    broker.stop()
    tried = Counted(1)
    settings = settings_for(broker, max_queued=10)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        for number in range(25):
            assert link.publish("edgekit/x", b"%d" % number, retain=True)
        assert link.counts == LinkCounts(0, 0, dropped=15, waiting=10)
        broker.start()
        with listening(broker) as listener:
            assert link.wait_until_acknowledged(PATIENCE_S)
            assert next_payloads(listener, 1, "edgekit/x")[0] in [b"%d" % n for n in range(15, 25)]
        assert link.counts == LinkCounts(sent=10, acknowledged=10, dropped=15, waiting=0)


def test_what_cannot_be_published_is_a_mistake_of_the_caller() -> None:
    link = make_link(MqttSettings("127.0.0.1"))
    for topic, qos in (("a/#", 1), ("+/a", 1), ("", 1), ("a", 2)):
        with pytest.raises(ValueError, match="cannot publish"):
            link.publish(topic, b"", qos=qos)
