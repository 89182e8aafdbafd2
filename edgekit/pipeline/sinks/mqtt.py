"""Publishes events at the board's broker."""

from types import TracebackType
from typing import Self

from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import encode
from edgekit.messaging.topics import Topics
from edgekit.pipeline.message import message_of
from edgekit.pipeline.parts import Event, Firing


class MqttSink:
    """Hands each event to the link, which waits for the broker where it must. Owns nothing."""

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
            topic = self._topics.event(event.rule)
        else:
            topic = self._topics.infer(event.pipeline)
        return self._link.publish(topic, encode(message_of(event)), qos=self._qos)
