"""What a board says: one schema a topic, as JSON. `docs/messages.md` shows each literally.

Readers pass over fields they do not know, so that fields may join within a version. Numbers are
finite: a NaN has no JSON form and is refused before it is sent.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, TypeVar

import msgspec

from edgekit.errors import InputError

VERSION = 1
"""The `v` of every message."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Milliseconds = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A piece of a message."""


class Versions(_Part, frozen=True, kw_only=True):
    """What the board runs."""

    edgekit: Text
    python: Text
    onnxruntime: Text


class Status(_Part, frozen=True, kw_only=True, tag_field="v", tag=VERSION):
    """Whether the board is online; retained, and its offline form is the last will."""

    state: Literal["online", "offline"]
    boot: Text
    """Changes at each start of the daemon, so that (boot, seq) names a prediction."""
    versions: Versions
    pipelines: tuple[Text, ...] = ()
    reason: str = ""
    """Why it is in this state, where that is known."""

    def offline(self, reason: str) -> "Status":
        """The same board, offline."""
        return msgspec.structs.replace(self, state="offline", reason=reason)


class ModelName(_Part, frozen=True, kw_only=True):
    """Which model spoke; `hash` is the short hash of its bundle."""

    name: Text
    version: Text
    hash: Text


class Timings(_Part, frozen=True, kw_only=True):
    """Milliseconds: `age` from capture to the start of work, then each step of the work."""

    age: Milliseconds
    prepare: Milliseconds
    infer: Milliseconds
    interpret: Milliseconds


class TopClass(_Part, frozen=True, kw_only=True):
    """One of the likeliest classes."""

    id: Count
    label: str
    p: Share


class Infer(_Part, frozen=True, kw_only=True, tag_field="v", tag=VERSION):
    """One prediction: `top` of a classifier, `score` of an anomaly model, or a raw `values`."""

    pipeline: Text
    captured: Count
    """When the sample was taken: milliseconds since 1970, UTC."""
    seq: Count
    boot: Text
    model: ModelName
    ms: Timings
    origin: str | None = None
    """Which file or device the sample came from, where the source knows."""
    top: tuple[TopClass, ...] | None = None
    score: float | None = None
    threshold: float | None = None
    anomalous: bool | None = None
    values: tuple[float, ...] | None = None
    hist: bool = False
    """Whether it was stored and sent later than it was made."""


class Fired(_Part, frozen=True, kw_only=True, tag_field="v", tag=VERSION):
    """A rule that fired."""

    rule: Text
    fired: Count
    """When: milliseconds since 1970, UTC."""
    seq: Count
    boot: Text
    when: Text
    """The rule's expression."""
    held_s: Annotated[float, msgspec.Meta(ge=0)]
    """For how long it had been true."""
    facts: dict[str, float | bool | str] = {}
    """What the expression read, by the names in it."""
    hist: bool = False
    """Whether it was stored and sent later than it was made."""


class Percentiles(_Part, frozen=True, kw_only=True):
    """Milliseconds from capture until the prediction was ready."""

    p50: Milliseconds
    p95: Milliseconds
    p99: Milliseconds


class PipelineMetrics(_Part, frozen=True, kw_only=True):
    """One pipeline since the daemon started."""

    taken: Count
    skipped: Count
    refused: Count
    predictions: Count
    queue: Count
    """How many samples wait now."""
    ms: Percentiles | None = None
    """Absent until there was a prediction."""


class MqttMetrics(_Part, frozen=True, kw_only=True):
    """The link to the broker since the daemon started."""

    sent: Count
    acknowledged: Count
    dropped: Count


class Metrics(_Part, frozen=True, kw_only=True, tag_field="v", tag=VERSION):
    """Counts and latencies of the board."""

    boot: Text
    uptime_s: Annotated[float, msgspec.Meta(ge=0)]
    pipelines: dict[Text, PipelineMetrics]
    mqtt: MqttMetrics


Message = TypeVar("Message", Status, Infer, Fired, Metrics)


def encode(message: Status | Infer | Fired | Metrics) -> bytes:
    """The message as one line of JSON.

    Raises:
        InputError: a field is out of its range, a number is not finite, or fields contradict.
    """
    if isinstance(message, Infer):
        for mistake in _not_finite(message):
            raise InputError(f"infer message: {mistake}")
    payload = msgspec.json.encode(message)
    match message:  # msgspec checks ranges when it reads, not when it writes
        case Status():
            decode_status(payload)
        case Infer():
            decode_infer(payload)
        case Fired():
            decode_fired(payload)
        case Metrics():
            decode_metrics(payload)
    return payload


def decode_status(payload: bytes) -> Status:
    """Reads a `status` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return _decode(payload, Status, "status")


def decode_infer(payload: bytes) -> Infer:
    """Reads an `infer/<pipeline>` payload.

    Raises:
        InputError: not JSON, another version, a missing or wrong field, or not exactly one answer.
    """
    message = _decode(payload, Infer, "infer")
    for mistake in _contradictions(message):
        raise InputError(f"infer message: {mistake}")
    return message


def decode_fired(payload: bytes) -> Fired:
    """Reads an `event/<rule>` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return _decode(payload, Fired, "event")


def decode_metrics(payload: bytes) -> Metrics:
    """Reads a `metrics` payload.

    Raises:
        InputError: not JSON, another version, or a missing or wrong field.
    """
    return _decode(payload, Metrics, "metrics")


class _VersionOnly(msgspec.Struct):
    v: int


def _decode(payload: bytes, schema: type[Message], what: str) -> Message:
    try:
        version = msgspec.json.decode(payload, type=_VersionOnly).v
        if version != VERSION:
            raise InputError(
                f"{what} message: version {version} is not the one this edgekit reads ({VERSION})"
            )
        return msgspec.json.decode(payload, type=schema)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{what} message: {error}") from error


def _contradictions(message: Infer) -> Iterator[str]:
    anomaly = [part is not None for part in (message.score, message.threshold, message.anomalous)]
    if [message.top is not None, any(anomaly), message.values is not None].count(True) != 1:
        yield "needs exactly one of top, score and values"
    elif any(anomaly) and not all(anomaly):
        yield "score, threshold and anomalous go together"


def _not_finite(message: Infer) -> Iterator[str]:
    for number in (message.score, message.threshold, *(message.values or ())):
        if number is not None and not math.isfinite(number):
            yield f"{number} has no JSON form: the model's output is not finite"
