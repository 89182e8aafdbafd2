"""The link, against a real mosquitto with TLS and passwords on."""

import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from edgekit.errors import ConfigError
from edgekit.messaging.link import LinkCounts, MqttLink, MqttSettings, jittered_backoff
from edgekit.messaging.payloads import Status, Versions, decode_status, encode
from edgekit.messaging.topics import Topics
from tests.broker import PATIENCE_S, Listener, listening, settings_for
from tools.private_broker import PrivateBroker, make_authority

TOPICS = Topics("lab", "board")
STATUS = Status(
    state="online",
    boot="b",
    versions=Versions(edgekit="1", python="3", onnxruntime="1"),
    pipelines=("door",),
)


def _quick() -> Iterator[float]:
    return itertools.repeat(0.02)


def _link(settings: MqttSettings) -> MqttLink:
    return MqttLink(settings, TOPICS, STATUS, backoff=_quick)


def _payloads(listener: Listener, count: int, topic: str) -> list[bytes]:
    """The next messages of a topic; others are passed over."""
    got: list[bytes] = []
    while len(got) < count:
        heard = listener.next()
        if heard.topic == topic:
            got.append(heard.payload)
    return got


def _next_status(listener: Listener) -> Status:
    return decode_status(_payloads(listener, 1, TOPICS.status)[0])


class _Said(logging.Handler):
    """Keeps what the link logs, and wakes whoever waits for so many lines."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._more = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._more:
            self.lines.append(record.getMessage())
            self._more.notify_all()

    def first(self) -> str:
        with self._more:
            assert self._more.wait_for(lambda: self.lines, PATIENCE_S), "nothing was logged"
            return self.lines[0]


@pytest.fixture
def said() -> Iterator[_Said]:
    handler = _Said()
    logger = logging.getLogger("edgekit.messaging.link")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class _Counted:
    """A back-off that says when the n-th attempt has failed."""

    def __init__(self, attempts: int) -> None:
        self.reached = threading.Event()
        self._attempts = attempts

    def __call__(self) -> Iterator[float]:
        for attempt in itertools.count(1):
            if attempt == self._attempts:
                self.reached.set()
            yield 0.01


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_messages_arrive_in_order_and_are_counted(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    topic = TOPICS.infer("door")
    with listening(broker) as listener, _link(settings_for(broker, version=version)) as link:
        assert link.wait_connected(PATIENCE_S)
        for number in range(200):
            assert link.publish(topic, b"%d" % number)
        assert _payloads(listener, 200, topic) == [b"%d" % number for number in range(200)]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(sent=200, acknowledged=200, dropped=0, waiting=0)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_was_queued_before_the_broker_was_there_arrives(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    broker.stop()
    tried = _Counted(3)
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
    with listening(broker) as listener, _link(settings_for(broker)) as link:
        link.publish("edgekit/zero", b"0", qos=0)
        assert _payloads(listener, 1, "edgekit/zero") == [b"0"]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts.acknowledged == 1


@pytest.mark.broker
def test_many_threads_may_publish_at_once(broker: PrivateBroker) -> None:
    with listening(broker) as listener, _link(settings_for(broker)) as link:

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
    with _link(settings_for(broker, version=version)) as link:
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
            assert _next_status(listener) == STATUS
        stop_publishing.set()
        stream.join()
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(published, published, 0, 0)


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_wrong_password_is_said_once_and_retried(
    broker: PrivateBroker, version: Literal["5", "3.1.1"], said: _Said
) -> None:
    settings = replace(settings_for(broker, version=version), password="wrong")
    tried = _Counted(4)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        link.publish("edgekit/x", b"x")
        assert tried.reached.wait(PATIENCE_S)
        assert not link.connected
        assert link.counts == LinkCounts(0, 0, 0, waiting=1)
        assert said.lines == [
            f"no MQTT broker at {settings.address}: not authorized; check the user name and "
            "password, and the broker's access list (trying on)"
        ]


@pytest.mark.broker
def test_an_authority_that_did_not_sign_the_broker_is_said(
    broker: PrivateBroker, tmp_path: Path, said: _Said
) -> None:
    settings = replace(settings_for(broker), ca=make_authority(tmp_path, "other"))
    tried = _Counted(3)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        assert tried.reached.wait(PATIENCE_S)
        assert not link.connected
        (line,) = said.lines
    assert "certificate is not trusted" in line
    assert f"check {settings.ca}" in line


@pytest.mark.broker
def test_speaking_plainly_to_a_tls_port_is_said(broker: PrivateBroker, said: _Said) -> None:
    with _link(replace(settings_for(broker), ca=None)):
        assert "does it expect TLS?" in said.first()


@pytest.mark.broker
def test_speaking_tls_to_a_plain_port_is_said(broker: PrivateBroker, said: _Said) -> None:
    with PrivateBroker() as plain, _link(replace(settings_for(broker), port=plain.port)):
        assert "TLS port?" in said.first()


def test_an_absent_broker_is_said_once(said: _Said) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = MqttSettings(host="127.0.0.1", port=unused.getsockname()[1])
        tried = _Counted(5)
        with MqttLink(settings, TOPICS, STATUS, backoff=tried):
            assert tried.reached.wait(PATIENCE_S)
    assert said.lines == [
        f"no MQTT broker at {settings.address}: nothing listens there; start the broker, or "
        "correct the host and port (trying on)"
    ]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 70])
def test_a_host_that_cannot_be_resolved_is_said_and_retried(host: str, said: _Said) -> None:
    tried = _Counted(2)
    with MqttLink(MqttSettings(host=host), TOPICS, STATUS, backoff=tried):
        assert tried.reached.wait(PATIENCE_S)
    assert "the host name cannot be resolved" in said.first()


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x20\x7f\xff", b"\xff"])
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_does_not_speak_mqtt_is_tried_again(
    noise: bytes, version: Literal["5", "3.1.1"], said: _Said
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        settings = MqttSettings("127.0.0.1", server.getsockname()[1], version)
        with _link(settings) as link:
            for _ in range(3):
                connection, _address = server.accept()
                with connection:
                    connection.recv(1)
                    connection.sendall(noise)
            assert said.first().startswith(f"no MQTT broker at {settings.address}")
            assert not link.connected


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
            assert _next_status(listener) == STATUS
            board.kill()
        assert _next_status(listener) == STATUS.offline("the connection was lost")
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
        assert _next_status(listener) == STATUS
        board.send_signal(signal.SIGSTOP)  # its connection stands, as after a power cut
        with _link(settings) as link:
            assert link.wait_connected(PATIENCE_S)
            board.kill()
            board.wait()
            link.publish("edgekit/mark", b"")
            assert link.wait_until_acknowledged(PATIENCE_S)
            with listening(broker, TOPICS.status) as late:
                assert _next_status(late) == STATUS


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_clean_end_says_why_after_all_else_has_arrived(
    broker: PrivateBroker, version: Literal["5", "3.1.1"]
) -> None:
    with listening(broker) as listener:
        with _link(settings_for(broker, version=version)) as link:
            assert _next_status(listener) == STATUS
            for number in range(30):
                link.publish("edgekit/last", b"%d" % number)
            link.close("SIGTERM")
            assert not link.publish("edgekit/last", b"too late")
        assert len(_payloads(listener, 30, "edgekit/last")) == 30
        assert _next_status(listener) == STATUS.offline("SIGTERM")
        assert link.counts == LinkCounts(30, 30, 0, 0)
    with listening(broker) as late:
        assert _next_status(late) == STATUS.offline("SIGTERM")  # no will came after it


def _raise_key_error(connected: bool) -> None:
    raise KeyError(connected)


@pytest.mark.broker
def test_an_exception_in_the_block_is_the_reason(broker: PrivateBroker) -> None:
    with listening(broker) as listener:
        link = _link(settings_for(broker))
        with pytest.raises(KeyError), link:
            _raise_key_error(link.wait_connected(PATIENCE_S))
        assert _next_status(listener) == STATUS
        assert _next_status(listener) == STATUS.offline("stopped by KeyError")


@pytest.mark.broker
def test_closing_does_not_wait_for_a_broker_that_hangs(broker: PrivateBroker, said: _Said) -> None:
    with _link(settings_for(broker)) as link:
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
        with _link(settings_for(broker)) as link:
            assert _next_status(listener) == STATUS
            os.kill(broker.pid, signal.SIGSTOP)
            link.close("SIGTERM", timeout_s=0.2)
        os.kill(broker.pid, signal.SIGCONT)
        states = [_next_status(listener)]
        if states[-1].reason == "SIGTERM":  # the goodbye was in the socket already
            states.append(_next_status(listener))
        assert states[-1] == STATUS.offline("the connection was lost")


def test_closing_does_not_wait_for_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        with _link(MqttSettings("127.0.0.1", server.getsockname()[1])) as link:
            connection, _address = server.accept()
            with connection:
                assert connection.recv(1)
                started = time.monotonic()
                link.close()
                assert time.monotonic() - started < 1.5


@pytest.mark.broker
def test_a_full_line_drops_its_oldest_and_counts_it(broker: PrivateBroker) -> None:
    broker.stop()
    tried = _Counted(1)
    settings = settings_for(broker, max_queued=10)
    with MqttLink(settings, TOPICS, STATUS, backoff=tried) as link:
        for number in range(25):
            assert link.publish("edgekit/x", b"%d" % number, retain=True)
        assert link.counts == LinkCounts(0, 0, dropped=15, waiting=10)
        broker.start()
        with listening(broker) as listener:
            assert link.wait_until_acknowledged(PATIENCE_S)
            assert _payloads(listener, 1, "edgekit/x")[0] in [b"%d" % n for n in range(15, 25)]
        assert link.counts == LinkCounts(sent=10, acknowledged=10, dropped=15, waiting=0)


@pytest.mark.broker
def test_a_message_that_the_broker_refuses_is_dropped_and_said_once(
    broker: PrivateBroker, said: _Said
) -> None:
    with _link(settings_for(broker)) as link:
        for _ in range(3):
            link.publish("elsewhere/x", b"x")
        link.publish("edgekit/x", b"x")
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts == LinkCounts(sent=4, acknowledged=1, dropped=3, waiting=0)
    (line,) = said.lines
    assert "refused a message to elsewhere/x: not authorized" in line


@pytest.mark.broker
def test_a_second_program_with_the_same_client_id_is_said(
    broker: PrivateBroker, said: _Said
) -> None:
    settings = settings_for(broker)
    with _link(settings) as first:
        assert first.wait_connected(PATIENCE_S)
        with MqttLink(settings, TOPICS, STATUS) as second:
            assert second.wait_connected(PATIENCE_S)
            assert "another program may be using the client id edgekit-lab-board" in said.first()


def test_what_cannot_be_published_is_a_mistake_of_the_caller() -> None:
    link = _link(MqttSettings("127.0.0.1"))
    for topic, qos in (("a/#", 1), ("+/a", 1), ("", 1), ("a", 2)):
        with pytest.raises(ValueError, match="cannot publish"):
            link.publish(topic, b"", qos=qos)


def test_a_missing_authority_file_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"ca: .*none\.pem"):
        _link(MqttSettings("localhost", ca=tmp_path / "none.pem"))
    (tmp_path / "empty.pem").write_text("")
    with pytest.raises(ConfigError, match="no PEM certificate"):
        _link(MqttSettings("localhost", ca=tmp_path / "empty.pem"))


def test_back_off_doubles_to_its_ceiling_with_half_left_to_chance() -> None:
    delays = list(itertools.islice(jittered_backoff(1.0, 60.0), 10))
    for delay, ceiling in zip(delays, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60], strict=True):
        assert ceiling / 2 <= delay <= ceiling
