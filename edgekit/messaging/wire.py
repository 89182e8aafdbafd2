"""What parts that speak over the link need of it, and a link in memory for tests and trials."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from edgekit.messaging.incoming import Handler, Received
from edgekit.messaging.outgoing import LinkCounts
from edgekit.messaging.topic_filter import matches


class Wire(Protocol):
    """The part of `MqttLink` that they use; each method is as it says there."""

    @property
    def counts(self) -> LinkCounts:
        """What became of the messages so far."""

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation_data: bytes | None = None,
    ) -> bool:
        """Queues a message, without ever waiting."""

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Has a handler called with every message of some topics."""

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Ends what `subscribe` began."""

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Has a handler called after each connect."""

    def off_connect(self, handler: Callable[[], None]) -> None:
        """Ends what `on_connect` began."""


@dataclass(frozen=True)
class Sent:
    """One message that was published to a `MemoryWire`."""

    topic: str
    payload: bytes
    retain: bool = False
    correlation_data: bytes | None = None


class MemoryWire:
    """A wire without a broker: keeps what is published, and delivers what it is told to.

    Attributes:
        sent: what was published, in order.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._handlers: list[tuple[str, Handler]] = []
        self._greeters: list[Callable[[], None]] = []

    @property
    def counts(self) -> LinkCounts:
        """All that was published is confirmed."""
        return LinkCounts(len(self.sent), len(self.sent), dropped=0, waiting=0)

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation_data: bytes | None = None,
    ) -> bool:
        """Keeps the message.

        Raises:
            ValueError: a topic that cannot be.
        """
        if not topic or "+" in topic or "#" in topic:
            raise ValueError(f"cannot publish to {topic!r}")
        self.sent.append(Sent(topic, payload, retain, correlation_data))
        return True

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Notes who wants which topics."""
        self._handlers.append((topic_filter, handler))

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Forgets it."""
        self._handlers = [
            wish
            for wish in self._handlers
            if wish[0] != topic_filter or (handler is not None and wish[1] != handler)
        ]

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Notes who wants to hear of connects."""
        self._greeters.append(handler)

    def off_connect(self, handler: Callable[[], None]) -> None:
        """Forgets it."""
        self._greeters = [kept for kept in self._greeters if kept != handler]

    def connect(self) -> None:
        """Does what happens at a connect."""
        for greeter in self._greeters:
            greeter()

    def deliver(self, message: Received) -> None:
        """Hands a message to everyone who wants it."""
        for topic_filter, handler in list(self._handlers):
            if matches(topic_filter, message.topic):
                handler(message)
