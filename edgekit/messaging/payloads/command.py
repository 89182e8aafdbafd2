"""`cmd/<verb>` and `res/<verb>/<id>`: a command to a board, and its answer."""

from typing import Annotated, Any, Literal

import msgspec

from edgekit.messaging.payloads.schema import Count, Line, Message, Part, Text, decode

CommandId = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{1,64}\Z")]
Verb = Literal["snapshot", "reload", "set-rate", "collect", "label", "mcu"]
Code = Literal[
    "ok",
    "not-allowed",
    "bad-arguments",
    "bad-signature",
    "stale",
    "replayed",
    "too-many",
    "unavailable",
    "failed",
]
_Pipeline = Text


class Snapshot(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `snapshot`: sends the newest picture of a pipeline."""

    pipeline: _Pipeline | None = None
    """May be left out where the board has only one."""


class Reload(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `reload`, which has none: reads the configuration file again."""


class SetRate(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `set-rate`: caps the samples a second of a pipeline until the next start."""

    max_hz: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None
    """Null takes the cap away."""
    pipeline: _Pipeline | None = None


class Collect(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `collect`: keeps the next samples of a pipeline, for training."""

    samples: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    pipeline: _Pipeline | None = None


class Label(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `label`: says what one of the newest samples of a pipeline shows, to learn."""

    label: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | Text
    """A class, by its number or its name."""
    sequence: Count | None = None
    """The `seq` of the sample's prediction; left out, samples are counted from the newest."""
    back: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 0
    """How many samples came after it, where there is no `sequence`."""
    pipeline: _Pipeline | None = None


class McuCommand(Part, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Arguments of `mcu`: has a microcontroller do something."""

    command: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    args: Any = msgspec.UNSET
    """What the command takes: any JSON; left out, the command is sent without."""
    device: Text | None = None
    """As the settings name it, or its port; may be left out where the board has only one."""
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    """How long to wait for the answer."""


Arguments = Snapshot | Reload | SetRate | Collect | Label | McuCommand

ARGUMENTS: dict[str, type[Arguments]] = {
    "snapshot": Snapshot,
    "reload": Reload,
    "set-rate": SetRate,
    "collect": Collect,
    "label": Label,
    "mcu": McuCommand,
}
"""What each verb takes."""


class Command(Message, frozen=True, kw_only=True):
    """A command as it travels; its verb is in the topic."""

    arguments: msgspec.Raw = msgspec.Raw(b"{}")
    """A JSON object, kept as the bytes it came in: the signature is over these."""
    id: CommandId | None = None
    """Names the answer; needed where MQTT 5's response topic is not used."""
    issued: Count | None = None
    """When it was made: milliseconds since 1970, UTC."""
    mac: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")] | None = None
    """HMAC-SHA256, where the board asks for one."""


class Answer(Message, frozen=True, kw_only=True):
    """What became of a command."""

    verb: Text
    boot: Text
    code: Code
    said: Line
    """One line for people."""
    id: CommandId | None = None
    result: dict[str, Any] = msgspec.field(default_factory=dict)
    """What the verb gives; a picture is base64 in `jpeg`."""


def decode_command(payload: bytes) -> Command:
    """Reads a `cmd/<verb>` payload; its arguments are not looked at yet.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Command, "cmd")


def decode_answer(payload: bytes) -> Answer:
    """Reads a `res/<verb>/<id>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return decode(payload, Answer, "res")
