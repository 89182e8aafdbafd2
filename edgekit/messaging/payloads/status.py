"""`status`: whether a board is there, and what it runs."""

from typing import Literal

import msgspec

from edgekit.messaging.payloads.schema import Message, ModelName, Part, Text, decode


class Versions(Part, frozen=True, kw_only=True):
    """What the board runs."""

    edgekit: Text
    python: Text
    onnxruntime: Text


class EngineInUse(Part, frozen=True, kw_only=True):
    """What runs the model of one pipeline, and which model that is."""

    engine: Text
    """`onnxruntime` or `litert`."""
    model: ModelName
    variant: Text | None = None
    """Which of the bundle's artifacts was chosen, where it has several."""
    provider: Text | None = None
    """What computes: a CPU's kernels, CUDA, XNNPACK, ..."""


class Status(Message, frozen=True, kw_only=True):
    """Whether the board is online; retained, and its offline form is the last will."""

    state: Literal["online", "offline"]
    boot: Text
    """Changes at each start of the daemon, so that (boot, seq) names a prediction."""
    versions: Versions
    pipelines: tuple[Text, ...] = ()
    engines: dict[Text, EngineInUse] = msgspec.field(default_factory=dict)
    """By pipeline."""
    labels: dict[Text, Text] = msgspec.field(default_factory=dict)
    """What groups of a fleet are made of, as the settings say."""
    reason: str = ""
    """Why it is in this state, where that is known."""

    def offline(self, reason: str) -> "Status":
        """The same board, offline."""
        return msgspec.structs.replace(self, state="offline", reason=reason)


def decode_status(payload: bytes) -> Status:
    """Reads a `status` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Status, "status")
