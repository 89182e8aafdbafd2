"""`fl/<job>/ready`: whether a board takes part in a federated job."""

from edgekit.messaging.payloads.schema import Count, Line, Message, Text, decode


class FederatedReady(Message, frozen=True, kw_only=True):
    """What a board tells the coordinator of a job; retained."""

    boot: Text
    step: Text
    """Which training step it runs: `step_digest` of its bundle."""
    willing: bool
    """Whether it would take part now."""
    samples: Count = 0
    """How many it has to learn from."""
    why: Line | None = None
    """Why it is not willing."""
    classes: tuple[float, ...] | None = None
    """How many samples of each class it has, where it tells: perhaps with noise, for privacy."""


def decode_federated_ready(payload: bytes) -> FederatedReady:
    """Reads an `fl/<job>/ready` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, FederatedReady, "fl")
