"""`infer/<pipeline>`: what a model said of a sample."""

import math
from collections.abc import Iterator

import msgspec

from edgekit.errors import InputError
from edgekit.messaging.payloads.schema import (
    Count,
    Message,
    Milliseconds,
    ModelName,
    Part,
    Share,
    Text,
    decode,
)


class Timings(Part, frozen=True, kw_only=True):
    """Milliseconds: `age` from capture to the start of work, then each step of the work."""

    age: Milliseconds
    prepare: Milliseconds
    infer: Milliseconds
    interpret: Milliseconds


class TopClass(Part, frozen=True, kw_only=True):
    """One of the likeliest classes."""

    id: Count
    label: str
    p: Share


class Infer(Message, frozen=True, kw_only=True):
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


def decode_infer(payload: bytes) -> Infer:
    """Reads an `infer/<pipeline>` payload.

    Raises:
        InputError: not JSON, another version, a missing or wrong field, or not exactly one answer.
    """
    message = decode(payload, Infer, "infer")
    _refuse_contradictions(message)
    return message


def encode_infer(message: Infer) -> bytes:
    """What `encode` gives, with less work: there is one such message a frame.

    Raises:
        InputError: a field is out of its range, a number is not finite, or fields contradict.
    """
    _refuse_what_is_not_finite(message)
    payload = _encoder.encode(message)
    try:
        _refuse_contradictions(_decoder.decode(payload))
    except msgspec.MsgspecError as error:
        raise InputError(f"infer message: {error}") from error
    return payload


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Infer)


def _refuse_what_is_not_finite(message: Infer) -> None:
    """JSON cannot say such numbers: they would be sent as null."""
    for number in (message.score, message.threshold, *(message.values or ())):
        if number is not None and not math.isfinite(number):
            raise InputError(
                f"infer message: {number} has no JSON form: the model's output is not finite"
            )


def _refuse_contradictions(message: Infer) -> None:
    for mistake in _contradictions(message):
        raise InputError(f"infer message: {mistake}")


def _contradictions(message: Infer) -> Iterator[str]:
    anomaly = [part is not None for part in (message.score, message.threshold, message.anomalous)]
    if [message.top is not None, any(anomaly), message.values is not None].count(True) != 1:
        yield "needs exactly one of top, score and values"
    elif any(anomaly) and not all(anomaly):
        yield "score, threshold and anomalous go together"
