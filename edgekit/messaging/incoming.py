"""What comes from the broker: who asked for which topics, and who gets a message."""

import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edgekit.messaging.refusals import Complaints, why_refused
from edgekit.messaging.topic_filter import is_topic_filter, matches


@dataclass(frozen=True)
class Received:
    """One message from the broker.

    Attributes:
        topic: where it was published.
        payload: the bytes.
        retain: whether the broker had kept it from before the subscription.
        response_topic: where an answer is wanted; MQTT 5 only.
        correlation_data: what to send along with the answer; MQTT 5 only.
    """

    topic: str
    payload: bytes
    retain: bool = False
    response_topic: str | None = None
    correlation_data: bytes | None = None


Handler = Callable[[Received], None]
"""Takes a message, on the link's thread: must not block."""


class Incoming:
    """Tells each connection what is wanted, and hands on what it brings.

    A broker may send a copy for each of our filters that cover a topic. With MQTT 5 it says which
    filter a copy is for, so every handler gets one; with 3.1.1 filters should not overlap.

    Wishes may come from any thread; `connected`, `tell`, `receive` and `answered` are for the
    thread that drives the connection.
    """

    def __init__(self, log: logging.Logger, *, max_payload_bytes: int) -> None:
        self._max_payload_bytes = max_payload_bytes
        self._complaints = Complaints(log)
        self._lock = threading.Lock()
        self._wishes: dict[str, list[tuple[Handler, int]]] = {}
        self._untold: dict[str, int | None] = {}
        self._asked: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        self._next_number = itertools.count(1)
        self._uses_numbers = False

    def add(self, topic_filter: str, handler: Handler, qos: int) -> None:
        """Notes a wish.

        Raises:
            ValueError: a filter or a QoS that cannot be.
        """
        if qos not in (0, 1) or not is_topic_filter(topic_filter):
            raise ValueError(f"cannot subscribe to {topic_filter!r} with QoS {qos}")
        with self._lock:
            self._wishes.setdefault(topic_filter, []).append((handler, qos))
            self._untold[topic_filter] = self._qos(topic_filter)

    def remove(self, topic_filter: str, handler: Handler | None) -> None:
        """Forgets one handler of a filter, or all of them; unknown ones are passed over."""
        with self._lock:
            wishes = self._wishes.pop(topic_filter, [])
            kept = [wish for wish in wishes if handler is not None and wish[0] != handler]
            if kept:
                self._wishes[topic_filter] = kept
            elif wishes:
                self._untold[topic_filter] = None

    def connected(self, *, uses_numbers: bool) -> None:
        """The broker at the other end knows of nothing yet.

        Args:
            uses_numbers: whether it says which filter a message is for, by a number.
        """
        self._uses_numbers = uses_numbers
        with self._lock:
            self._untold = {topic_filter: self._qos(topic_filter) for topic_filter in self._wishes}
        self._asked.clear()

    def tell(self, client: Client) -> None:
        """Sends what the broker has not been told."""
        with self._lock:
            untold, self._untold = self._untold, {}
        for topic_filter, qos in untold.items():
            if qos is None:
                self._numbers.pop(topic_filter, None)
                client.unsubscribe(topic_filter)
                continue
            if self._uses_numbers:
                number = self._numbers.setdefault(topic_filter, next(self._next_number))
                more = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
                more.SubscriptionIdentifier = number
                wish = SubscribeOptions(qos=qos)
                _, packet_id = client.subscribe(topic_filter, options=wish, properties=more)
            else:
                _, packet_id = client.subscribe(topic_filter, qos)
            if packet_id is not None:
                self._asked[packet_id] = topic_filter

    def answered(self, packet_id: int, codes: Sequence[ReasonCode]) -> None:
        """Takes the broker's answer to a subscription; says where it was no."""
        topic_filter = self._asked.pop(packet_id, "?")
        for code in codes:
            if code.is_failure:
                self._complaints.make(
                    f"subscribe {topic_filter} {code}",
                    f"the MQTT broker refused to send us {topic_filter}: "
                    f"{why_refused(code.value, str(code))}",
                )

    def receive(self, message: MQTTMessage) -> None:
        """Calls everyone who wants a message; never raises."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no filter of ours can match it
        size = len(message.payload)
        if size > self._max_payload_bytes:
            self._complaints.make(
                f"size {topic}",
                f"dropped a message from {topic}: {size} bytes, where max_received_bytes is "
                f"{self._max_payload_bytes}",
            )
            return
        received = Received(
            topic,
            bytes(message.payload),
            message.retain,
            getattr(message.properties, "ResponseTopic", None),
            getattr(message.properties, "CorrelationData", None),
        )
        numbers = getattr(message.properties, "SubscriptionIdentifier", [])
        for handler in self._handlers_of(topic, numbers):
            try:
                handler(received)
            except Exception as error:
                text = f"a bug in what takes messages from {topic}"
                self._complaints.make(f"handler {handler}", text, error=error)

    def _handlers_of(self, topic: str, numbers: Sequence[int]) -> list[Handler]:
        with self._lock:
            return [
                handler
                for topic_filter, wishes in self._wishes.items()
                if matches(topic_filter, topic)
                and (not numbers or self._numbers.get(topic_filter) in numbers)
                for handler, _ in wishes
            ]

    def _qos(self, topic_filter: str) -> int:
        return max(qos for _, qos in self._wishes[topic_filter])
