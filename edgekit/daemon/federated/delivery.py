"""How a trained update gets to the coordinator: as it is, or hidden in a sum."""

from collections.abc import Sequence
from typing import Protocol

from edgekit.learning.federated.messages import Secure


class Delivery(Protocol):
    """What is sent of an update, from when it is trained until the coordinator's receipt."""

    def again(self) -> Sequence[bytes]:
        """All messages that may have been lost, in order: after training, and at a reconnect."""

    def heard(self, said: Secure) -> Sequence[bytes]:
        """What to send on a message of secure aggregation.

        Raises:
            InputError: it cannot be at this point.
        """


class PlainDelivery:
    """Sends the update as one message.

    Args:
        message: the update, encoded.
    """

    def __init__(self, message: bytes) -> None:
        self._message = message

    def again(self) -> Sequence[bytes]:
        """See `Delivery`."""
        return [self._message]

    def heard(self, said: Secure) -> Sequence[bytes]:
        """See `Delivery`: nothing is hidden, so there is nothing to agree on."""
        return []
