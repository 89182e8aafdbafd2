"""What the broker sends reaches those who asked for it, on every connection."""

import queue
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client, topic_matches_sub
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttSettings
from edgekit.messaging.payloads import decode_status
from edgekit.messaging.topic_filter import is_topic_filter, matches
from tests.broker import BOARD, PASSWORD, PATIENCE_S, listening, settings_for
from tests.messaging.linking import STATUS, TOPICS, Said, make_link
from tools.private_broker import PrivateBroker


class _Inbox:
    def __init__(self) -> None:
        self._got: queue.Queue[Received] = queue.Queue()
        self.put = self._got.put

    def next(self) -> Received:
        return self._got.get(timeout=PATIENCE_S)


@pytest.mark.broker
def test_what_is_subscribed_before_and_after_the_start_comes(broker: PrivateBroker) -> None:
    early, late = _Inbox(), _Inbox()
    link = make_link(settings_for(broker))
    link.subscribe("edgekit/in/+", early.put)
    with link:
        assert link.wait_connected(PATIENCE_S)
        link.subscribe("edgekit/late", late.put, qos=0)
        link.publish("edgekit/in/a", b"1")
        link.publish("edgekit/late", b"2")
        assert early.next() == Received("edgekit/in/a", b"1")
        assert late.next() == Received("edgekit/late", b"2")


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_restarts_is_told_again(broker: PrivateBroker, version: str) -> None:
    inbox, again = _Inbox(), threading.Semaphore(0)
    settings = replace(settings_for(broker), version=version)  # type: ignore[arg-type]
    link = make_link(settings)
    link.subscribe("edgekit/in", inbox.put)
    link.on_connect(again.release)
    with link:
        assert again.acquire(timeout=PATIENCE_S)
        broker.stop()
        broker.start()
        assert again.acquire(timeout=PATIENCE_S)
        link.publish("edgekit/in", b"x")
        assert inbox.next().payload == b"x"


@pytest.mark.broker
def test_what_is_done_at_connecting_follows_the_status(broker: PrivateBroker) -> None:
    link = make_link(settings_for(broker))
    link.on_connect(lambda: link.publish("edgekit/discovery", b"d") and None)
    with listening(broker) as listener, link:
        assert decode_status(listener.next().payload) == STATUS
        assert listener.next().topic == "edgekit/discovery"
        link.on_connect(lambda: link.publish("edgekit/twin", b"t") and None)
        assert listener.next().topic == "edgekit/twin"  # and discovery is not due again


@pytest.mark.broker
def test_who_has_left_is_not_called_at_the_next_connect(broker: PrivateBroker) -> None:
    link = make_link(settings_for(broker))

    def leaves() -> None:
        link.publish("edgekit/left", b"l")

    link.on_connect(leaves)
    link.on_connect(lambda: link.publish("edgekit/stays", b"s") and None)
    link.off_connect(leaves)
    with listening(broker, "edgekit/+") as listener, link:
        while (message := listener.next()).topic == "edgekit/status":
            pass
        assert message.topic == "edgekit/stays"


@pytest.mark.broker
def test_what_was_retained_is_known_as_such(broker: PrivateBroker) -> None:
    inbox = _Inbox()
    with make_link(settings_for(broker)) as link:
        link.publish("edgekit/kept", b"old", retain=True)
        assert link.wait_until_acknowledged(PATIENCE_S)
        link.subscribe("edgekit/kept", inbox.put)
        assert inbox.next() == Received("edgekit/kept", b"old", retain=True)


@pytest.mark.broker
def test_a_handler_that_raises_ends_nothing(broker: PrivateBroker, said: Said) -> None:
    inbox = _Inbox()

    def raises(received: Received) -> None:
        raise KeyError(received.topic)

    with make_link(settings_for(broker)) as link:
        link.subscribe("edgekit/in", raises)
        link.subscribe("edgekit/in", inbox.put)
        for number in range(3):
            link.publish("edgekit/in", b"%d" % number)
            assert inbox.next().payload == b"%d" % number
        assert said.lines == ["a bug in what takes messages from edgekit/in"]
        link.unsubscribe("edgekit/in", raises)
        link.publish("edgekit/in", b"still")
        assert inbox.next().payload == b"still"


@pytest.mark.broker
def test_what_is_unsubscribed_does_not_come(broker: PrivateBroker) -> None:
    gone, kept = _Inbox(), _Inbox()
    with make_link(settings_for(broker)) as link:
        link.subscribe("edgekit/gone", gone.put)
        link.subscribe("edgekit/+", kept.put)
        link.publish("edgekit/gone", b"1")
        assert gone.next().payload == b"1"
        link.unsubscribe("edgekit/gone")
        link.publish("edgekit/gone", b"2")
        assert [kept.next().payload, kept.next().payload] == [b"1", b"2"]
        assert gone._got.empty()


@pytest.mark.broker
def test_too_large_a_payload_is_dropped_and_said(broker: PrivateBroker, said: Said) -> None:
    inbox = _Inbox()
    settings = replace(settings_for(broker), max_received_bytes=1024)
    with make_link(settings) as link:
        link.subscribe("edgekit/in", inbox.put)
        for size in (1025, 1024):
            link.publish("edgekit/in", b"x" * size)
        assert len(inbox.next().payload) == 1024
    assert said.first() == (
        "dropped a message from edgekit/in: 1025 bytes, where max_received_bytes is 1024"
    )


@pytest.mark.broker
def test_a_question_and_its_answer_carry_the_same_correlation_data(broker: PrivateBroker) -> None:
    link = make_link(settings_for(broker))

    def answer(received: Received) -> None:
        assert received.response_topic is not None
        link.publish(received.response_topic, b"!", correlation_data=received.correlation_data)

    link.subscribe(TOPICS.prefix + "cmd/+", answer)
    answers: queue.Queue[tuple[bytes, bytes]] = queue.Queue()
    asker = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    asker.username_pw_set(BOARD, PASSWORD)
    asker.tls_set(str(broker.ca))
    asker.on_message = lambda _client, _data, message: answers.put(
        (message.payload, message.properties.CorrelationData)  # type: ignore[union-attr]
    )
    with link:
        assert link.wait_connected(PATIENCE_S)
        asker.on_subscribe = lambda *_: asker.publish(
            TOPICS.prefix + "cmd/reload", b"?", 1, properties=more
        )
        more = Properties(PacketTypes.PUBLISH)
        more.ResponseTopic, more.CorrelationData = "edgekit/answers", b"\x00\x01"
        asker.connect(broker.host, broker.port)
        asker.subscribe("edgekit/answers", 1)
        asker.loop_start()
        try:
            assert answers.get(timeout=PATIENCE_S) == (b"!", b"\x00\x01")
        finally:
            asker.disconnect()
            asker.loop_stop()


@pytest.mark.parametrize(("topic_filter", "qos"), [("a/#/b", 1), ("a+", 1), ("", 1), ("a", 2)])
def test_what_cannot_be_subscribed_to_is_a_mistake_of_the_caller(
    topic_filter: str, qos: int
) -> None:
    with pytest.raises(ValueError, match="cannot subscribe"):
        make_link(MqttSettings("127.0.0.1")).subscribe(topic_filter, print, qos=qos)


_levels = st.lists(st.sampled_from(["", "a", "b", "$c", "+", "#", "a+"]), min_size=1, max_size=4)


@given(
    _levels.map("/".join), st.lists(st.sampled_from(["", "a", "b", "$c"]), min_size=1).map("/".join)
)
@settings(deadline=None)
def test_a_filter_covers_what_paho_says_it_covers(topic_filter: str, topic: str) -> None:
    if is_topic_filter(topic_filter):
        assert matches(topic_filter, topic) == topic_matches_sub(topic_filter, topic)
