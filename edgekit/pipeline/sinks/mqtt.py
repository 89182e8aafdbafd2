"""Publishes events at the board's broker."""

from types import TracebackType
from typing import Self

from edgekit.messaging.link import MqttLink
from edgekit.messaging.outbox import Priority
from edgekit.messaging.topics import Topics
from edgekit.pipeline.message import payload_of
from edgekit.pipeline.parts import Event, Firing


class MqttSink:
    """Hands each event to the link: at QoS 1 durably, where the link has an outbox. Owns nothing.

    The firing of a rule outranks a prediction where the outbox has no room for both.
    """

    def __init__(self, link: MqttLink, topics: Topics, *, qos: int = 1) -> None:
        self._link = link
        self._topics = topics
        self._qos = qos

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The link is closed by whoever opened it."""

    def send(self, event: Event) -> bool:
        """Queues an event; `False` when the link takes no more."""
        if isinstance(event, Firing):
            topic, priority = self._topics.event(event.rule), Priority.EVENT
        else:
            topic, priority = self._topics.infer(event.pipeline), Priority.TELEMETRY
        payload = payload_of(event)
        if self._qos == 0:
            return self._link.publish(topic, payload, qos=0)
        return self._link.publish_durably(topic, payload, priority=priority)
