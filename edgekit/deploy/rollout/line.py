"""A rollout's connection to the broker: what came is in a queue, in order."""

import queue
from collections.abc import Sequence
from contextlib import suppress

from edgekit.deploy.rollout.topics import mark
from edgekit.messaging.line import BrokerLine, Heard, LineSettings
from edgekit.messaging.settings import MqttSettings

__all__ = ["Heard", "Line"]


class Line(BrokerLine):
    """A workstation's, for as long as the `with` block.

    Attributes:
        heard: what came, in order.
    """

    def __init__(self, settings: MqttSettings, client_id: str) -> None:
        """Prepares.

        Args:
            settings: the broker.
            client_id: what the broker knows us by; ours alone.
        """
        line = LineSettings(
            mark=mark(client_id), listens_to="boards and rollouts", writes="hints or rollouts"
        )
        super().__init__(settings, client_id, line)
        self.heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()

    def listen(self, filters: Sequence[str]) -> list[Heard]:
        """Subscribes, and gives all that the broker has retained there, and what else came by then.

        Raises:
            Unavailable: the broker does not let us, or falls silent.
        """
        why = "what it has retained did not come in time"
        if self._settings.version != "5":
            why += "; brokers drop what waits of a large fleet, but not with MQTT 5: use that"
        self._hear_all(filters, why)
        return self.waiting()

    def deafen(self, filters: Sequence[str]) -> None:
        """Ends subscriptions."""
        self._end(filters)

    def waiting(self) -> list[Heard]:
        """What has come and was not taken yet."""
        found = []
        with suppress(queue.Empty):
            while True:
                found.append(self.heard.get_nowait())
        return found

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """Sends a message at QoS 1, now or when the broker is back."""
        super().publish(topic, payload, retain=retain)

    def _arrived(self, heard: Heard) -> None:
        self.heard.put(heard)
