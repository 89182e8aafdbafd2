"""Stored messages reach a real mosquitto over kills, outages and bad networks."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.outbox import Outbox, Priority, open_outbox
from edgekit.pipeline.parts import Firing
from edgekit.pipeline.sinks.mqtt import MqttSink
from tests.broker import PATIENCE_S, Listener, listening, need_broker, settings_for
from tests.messaging.linking import TOPICS, Said, make_link
from tests.tcp_proxy import TcpProxy
from tools.kills import run
from tools.private_broker import PrivateBroker
from tools.tuned_broker import TunedBroker

_TOPIC = TOPICS.event("x")


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with open_outbox(tmp_path / "outbox.db", backfill_hz=1000) as opened:
        yield opened


def _publish(link: MqttLink, numbers: range) -> None:
    for number in numbers:
        assert link.publish_durably(_TOPIC, b'{"n":%d}' % number, priority=Priority.EVENT)


def _heard(listener: Listener, count: int) -> list[tuple[int, bool]]:
    """The next numbers, each with whether it is late; what comes twice is passed over."""
    found: dict[int, bool] = {}
    while len(found) < count:
        heard = listener.next()
        if heard.topic == _TOPIC:
            message = json.loads(heard.payload)
            found.setdefault(message["n"], message.get("hist", False))
    return list(found.items())


@pytest.mark.broker
def test_what_was_stored_while_the_broker_was_away_comes_late_and_in_order(
    broker: PrivateBroker, outbox: Outbox
) -> None:
    with make_link(settings_for(broker), outbox=outbox) as link:
        with listening(broker) as listener:
            assert link.wait_connected(PATIENCE_S)
            _publish(link, range(20))
            assert _heard(listener, 20) == [(number, False) for number in range(20)]
            assert link.wait_until_acknowledged(PATIENCE_S)
        broker.stop()
        assert outbox.put(_TOPIC, b'{"n":20}', priority=Priority.EVENT).wait(PATIENCE_S)
        _publish(link, range(21, 120))
        broker.start()
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.acknowledged == 120
        assert outbox.counts.backfilled >= 98  # the broker's end is noticed a moment later


@pytest.mark.broker
def test_what_one_run_stored_the_next_one_sends(broker: PrivateBroker, tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    broker.stop()
    with open_outbox(path) as outbox, make_link(settings_for(broker), outbox=outbox) as link:
        _publish(link, range(30))
    broker.start()
    with (
        listening(broker) as listener,
        open_outbox(path) as outbox,
        make_link(settings_for(broker), outbox=outbox) as link,
    ):
        assert _heard(listener, 30) == [(number, True) for number in range(30)]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert link.counts.waiting == link.counts.sent == 0


@pytest.mark.broker
def test_live_messages_do_not_wait_for_those_that_are_late(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    path = tmp_path / "outbox.db"
    with open_outbox(path) as outbox:
        for number in range(100):
            outbox.put(_TOPIC, b'{"n":%d}' % number, priority=Priority.EVENT)
    with (
        listening(broker) as listener,
        open_outbox(path, backfill_hz=20) as outbox,
        make_link(settings_for(broker), outbox=outbox) as link,
    ):
        assert link.wait_connected(PATIENCE_S)
        _publish(link, range(100, 110))
        heard = _heard(listener, 40)
        assert [number for number, late in heard if not late] == list(range(100, 110))
        assert [number for number, late in heard if late] == list(range(30))


@pytest.mark.broker
def test_a_partition_loses_nothing(broker: PrivateBroker, outbox: Outbox) -> None:
    with TcpProxy(broker.port) as proxy, listening(broker) as listener:
        settings = replace(settings_for(broker), port=proxy.port)
        with make_link(settings, outbox=outbox) as link:
            assert link.wait_connected(PATIENCE_S)
            for first in range(0, 100, 20):
                proxy.stall()
                _publish(link, range(first, first + 10))
                proxy.cut()  # both ends give the connection up
                _publish(link, range(first + 10, first + 20))
                proxy.flow()
            assert sorted(number for number, _ in _heard(listener, 100)) == list(range(100))
            assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.dropped == {}


@pytest.mark.broker
def test_a_slow_network_loses_nothing(broker: PrivateBroker, outbox: Outbox) -> None:
    with TcpProxy(broker.port) as proxy, listening(broker) as listener:
        proxy.slow(0.02)
        settings = replace(settings_for(broker), port=proxy.port)
        with make_link(settings, outbox=outbox) as link:
            assert link.wait_connected(PATIENCE_S)
            _publish(link, range(200))
            assert sorted(number for number, _ in _heard(listener, 200)) == list(range(200))
            assert link.wait_until_acknowledged(PATIENCE_S)


@pytest.mark.broker
def test_a_network_that_refuses_for_a_while_is_waited_for(
    broker: PrivateBroker, outbox: Outbox, said: Said
) -> None:
    with TcpProxy(broker.port) as proxy, listening(broker) as listener:
        proxy.refuse()
        settings = replace(settings_for(broker), port=proxy.port)
        with make_link(settings, outbox=outbox) as link:
            _publish(link, range(10))
            assert said.first()
            proxy.flow()
            assert _heard(listener, 10) == [(number, True) for number in range(10)]
            assert link.wait_until_acknowledged(PATIENCE_S)


@pytest.mark.broker
def test_a_message_that_the_broker_says_is_too_large_is_dropped_before_it_is_sent(
    outbox: Outbox, said: Said
) -> None:
    need_broker()
    with (
        TunedBroker(["max_packet_size 2000"]) as broker,
        make_link(MqttSettings(broker.host, broker.port), outbox=outbox) as link,
    ):
        link.publish_durably(_TOPIC, b"x" * 5000)
        link.publish("edgekit/y", b"x" * 5000)
        _publish(link, range(3))
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.dropped == {"too large": 1}
        assert (outbox.counts.acknowledged, link.counts.dropped) == (3, 1)
        assert "takes no packet of" in said.first()


@pytest.mark.broker
def test_a_message_that_the_broker_refuses_is_off_the_disk_and_counted(
    broker: PrivateBroker, outbox: Outbox, said: Said
) -> None:
    with make_link(settings_for(broker), outbox=outbox) as link:
        link.publish_durably("elsewhere/x", b"{}")
        _publish(link, range(2))
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.dropped == {"refused": 1}
        assert "refused a message to elsewhere/x: not authorized" in said.first()


@pytest.mark.broker
def test_what_the_disk_does_not_take_goes_out_from_memory(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    with (
        listening(broker) as listener,
        open_outbox(tmp_path / "none" / "outbox.db") as outbox,
        make_link(settings_for(broker), outbox=outbox) as link,
    ):
        _publish(link, range(5))
        assert _heard(listener, 5) == [(number, False) for number in range(5)]
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.unstored == link.counts.acknowledged == 5


@pytest.mark.broker
def test_without_an_outbox_messages_go_out_from_memory(broker: PrivateBroker) -> None:
    with listening(broker) as listener, make_link(settings_for(broker)) as link:
        _publish(link, range(5))
        assert _heard(listener, 5) == [(number, False) for number in range(5)]
        assert link.wait_until_acknowledged(PATIENCE_S)


@pytest.mark.broker
@pytest.mark.parametrize(("qos", "stored"), [(1, 1), (0, 0)])
def test_the_sink_stores_at_qos_1_only(
    broker: PrivateBroker, outbox: Outbox, qos: int, stored: int
) -> None:
    firing = Firing("x", 0, "b", 1_700_000_000_000, "true", 0.0, {})
    with (
        listening(broker) as listener,
        make_link(settings_for(broker), outbox=outbox) as link,
        MqttSink(link, TOPICS, qos=qos) as sink,
    ):
        assert link.wait_connected(PATIENCE_S)
        assert sink.send(firing)
        while (heard := listener.next()).topic != _TOPIC:
            pass
        assert json.loads(heard.payload)["rule"] == "x"
        assert link.wait_until_acknowledged(PATIENCE_S)
        assert outbox.counts.stored == stored


def test_a_topic_that_cannot_be_is_a_mistake_of_the_caller(outbox: Outbox) -> None:
    link = make_link(MqttSettings("127.0.0.1"), outbox=outbox)
    for topic in ("", "a/#", "+", "a\0", "a\ud800", "a" * 65536):
        with pytest.raises(ValueError, match="cannot publish"):
            link.publish_durably(topic, b"{}")


@pytest.mark.broker
def test_kills_and_outages_lose_nothing_that_was_committed() -> None:
    need_broker()
    outcome = run(kills=4, outages=2, seed=7, longest_s=0.6)
    assert outcome.is_well, outcome
    assert outcome.received >= outcome.committed


def _read_packet(stream: BinaryIO) -> tuple[int, bytes]:
    """The next MQTT packet: its first byte, and what follows its length."""
    first, length, shift = stream.read(1)[0], 0, 0
    while (byte := stream.read(1)[0]) & 0x80:
        length |= (byte & 0x7F) << shift
        shift += 7
    return first, stream.read(length | byte << shift)


class _BrokerWithoutRoom(threading.Thread):
    """Speaks just enough MQTT 5 to say once of each message that a quota is used up."""

    def __init__(self, server: socket.socket) -> None:
        super().__init__(daemon=True)
        self._server = server
        self.taken: list[bytes] = []

    def run(self) -> None:
        connection, _ = self._server.accept()
        asked: set[int] = set()
        with connection, connection.makefile("rb") as stream, suppress(IndexError, OSError):
            _read_packet(stream)
            connection.sendall(bytes([0x20, 3, 0, 0, 0]))
            while True:
                first, body = _read_packet(stream)
                if first >> 4 != 3:
                    continue
                end = 2 + int.from_bytes(body[:2])
                packet_id, payload = body[end : end + 2], body[end + 3 :]
                is_status = body[2:end].endswith(b"/status")
                number = -1 if is_status else json.loads(payload)["n"]
                code = 0x97 if number not in asked and not is_status else 0
                asked.add(number)
                if code == 0 and not is_status:
                    self.taken.append(payload)
                connection.sendall(bytes([0x40, 3]) + packet_id + bytes([code]))


def test_a_broker_whose_quota_is_used_up_gets_everything_later(outbox: Outbox, said: Said) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = _BrokerWithoutRoom(server)
        broker.start()
        with make_link(MqttSettings("127.0.0.1", server.getsockname()[1]), outbox=outbox) as link:
            assert link.wait_connected(PATIENCE_S)
            _publish(link, range(3))
            assert link.wait_until_acknowledged(PATIENCE_S)
            assert "a quota of the broker is used up" in said.first()
    assert sorted(json.loads(payload)["n"] for payload in broker.taken) == [0, 1, 2]
    assert outbox.counts.dropped == {}
    assert outbox.counts.acknowledged == outbox.counts.backfilled == 3
