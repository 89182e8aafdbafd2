"""Reads packets: payload bytes to values, every limit of the protocol checked."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from edgekit.bridge import packets as p
from edgekit.bridge.cbor import Malformed, clean, decode, text_bytes

_U32, _U64 = 2**32 - 1, 2**64 - 1
_LONGEST_PERIOD_NS = 2**42
_DEVICE_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_NAME_BYTES, _SHORT_BYTES, _TEXT_BYTES = 32, 16, 256


def read_packet(kind: int, payload: bytes) -> p.Packet:
    """The packet of a type.

    Args:
        kind: the frame's.
        payload: the whole of it, its chunks joined.

    Raises:
        Malformed: it is no such packet.
        KeyError: there is no such type.
    """
    if 128 <= kind <= 255:
        return p.Application(kind, clean(decode(payload)))
    read = _READERS[kind]
    return read(decode(payload))


def read_batch(data: p.Data, device: p.Device) -> p.Batch:
    """What samples mean by the device's tables.

    Raises:
        Malformed: there is no such sensor, or they do not fit it.
    """
    if data.sensor >= len(device.sensors):
        raise Malformed(f"samples of sensor {data.sensor}, which is not there")
    sensor = device.sensors[data.sensor]
    count, left = divmod(len(data.samples), sensor.instant_bytes)
    if left or not count:
        raise Malformed(f"{sensor.name}: {len(data.samples)} bytes are no whole instants")
    raw = np.frombuffer(data.samples, sensor.format)
    with np.errstate(all="ignore"):  # a scale may be anything: what is not finite is told later
        values = raw.reshape(count, sensor.channels) * float(sensor.scale) + float(sensor.offset)
    return p.Batch(data.sensor, values, _after_ns(data.timing, sensor, count))


def _after_ns(timing: int | bytes | None, sensor: p.Sensor, count: int) -> Any:
    if isinstance(timing, bytes):
        if len(timing) != 4 * (count - 1):
            raise Malformed(f"{sensor.name}: {len(timing)} bytes of times for {count} instants")
        steps = np.frombuffer(timing, "<u4").astype(np.int64) * 1000
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(steps)])
    period = sensor.period_ns if timing is None else timing
    if count > 1 and not period and timing is None:
        raise Malformed(f"{sensor.name}: has no period, and the samples no times")
    return np.arange(count, dtype=np.int64) * period


class _Fields:
    """The fields of a message, a map or an array, each checked as it is taken."""

    def __init__(self, item: Any, kind: type[Any], what: str) -> None:
        if type(item) is not kind:
            raise Malformed(f"{what}: is no {kind.__name__}")
        self._item: dict[Any, Any] = item if kind is dict else dict(enumerate(item))
        self._what = what

    def has(self, key: int) -> bool:
        return key in self._item

    def any(self, key: int) -> Any:
        if key not in self._item:
            raise Malformed(f"{self._what}: {key} is missing")
        return self._item[key]

    def integer(self, key: int, least: int, most: int) -> int:
        found = self.any(key)
        if type(found) is not int or not least <= found <= most:
            raise self.wrong(key)
        return found

    def number(self, key: int) -> float:
        found = self.any(key)
        if type(found) not in (int, float):
            raise self.wrong(key)
        return found  # type: ignore[no-any-return]

    def text(self, key: int, least: int, most: int) -> str:
        found = self.any(key)
        if type(found) is not str or not least <= text_bytes(found) <= most:
            raise self.wrong(key)
        return str(clean(found))

    def bytes(self, key: int, least: int, most: int) -> bytes:
        found = self.any(key)
        if type(found) is not bytes or not least <= len(found) <= most:
            raise self.wrong(key)
        return found

    def items(self, key: int, most: int) -> list[Any]:
        found = self.any(key)
        if type(found) is not list or len(found) > most:
            raise self.wrong(key)
        return found

    def pairs(self, key: int) -> dict[Any, Any]:
        found = self.any(key)
        if type(found) is not dict:
            raise self.wrong(key)
        return found

    def flag(self, key: int) -> bool:
        found = self.any(key)
        if type(found) is not bool:
            raise self.wrong(key)
        return found

    def wrong(self, key: int) -> Malformed:
        return Malformed(f"{self._what}: {key} is {str(self._item[key])[:60]!r}")


def _hello(item: Any) -> p.Hello:
    fields = _Fields(item, dict, "hello")
    max_frame = fields.integer(4, 64, 508)
    session = p.Session(
        version=fields.integer(0, 1, 255),
        nonce=fields.integer(1, 1, _U32),
        heard=fields.integer(2, 0, _U32),
        is_open=fields.flag(3),
        max_frame=max_frame,
        max_message=fields.integer(5, max_frame - 9, p.LONGEST_MESSAGE),
    )
    if not any(fields.has(key) for key in range(6, 11)):
        return p.Hello(session)
    name = fields.text(7, 1, _NAME_BYTES)
    if not _DEVICE_NAME.fullmatch(name):
        raise fields.wrong(7)
    device = p.Device(
        clock_us=fields.integer(6, 0, _U64),
        name=name,
        firmware=fields.text(8, 1, _NAME_BYTES),
        firmware_version=fields.text(9, 0, _SHORT_BYTES),
        sensors=tuple(_sensor(one) for one in fields.items(10, 16)),
        models=tuple(_model(one) for one in fields.items(11, 8)) if fields.has(11) else (),
    )
    return p.Hello(session, device)


def _sensor(item: Any) -> p.Sensor:
    fields = _Fields(item, dict, "sensor")
    return p.Sensor(
        name=fields.text(0, 1, _NAME_BYTES),
        unit=fields.text(1, 0, _SHORT_BYTES),
        period_ns=fields.integer(2, 0, _LONGEST_PERIOD_NS),
        format=p.FORMATS[fields.integer(3, 0, len(p.FORMATS) - 1)],
        channels=fields.integer(4, 1, 16) if fields.has(4) else 1,
        scale=fields.number(5) if fields.has(5) else 1,
        offset=fields.number(6) if fields.has(6) else 0,
    )


def _model(item: Any) -> p.Model:
    fields = _Fields(item, dict, "model")
    return p.Model(
        name=fields.text(0, 1, _NAME_BYTES),
        digest=fields.bytes(1, 4, 32),
        sensor=fields.integer(2, 0, _U64) if fields.has(2) else None,
    )


def _heartbeat(item: Any) -> p.Heartbeat:
    fields = _Fields(item, dict, "heartbeat")
    return p.Heartbeat(
        fields.integer(0, 0, _U64),
        {
            name: fields.integer(key, 0, _U32)
            for key, name in enumerate(p.COUNTERS, 1)
            if fields.has(key)
        },
    )


def _time(item: Any) -> p.TimeQuestion | p.TimeAnswer:
    fields = _Fields(item, list, "time")
    t1_us = fields.integer(1, 0, _U64)
    if fields.integer(0, 0, 1) == 0:
        offset = fields.integer(2, -(2**63), _U64) if fields.has(2) else None
        return p.TimeQuestion(t1_us, offset)
    return p.TimeAnswer(t1_us, fields.integer(2, 0, _U64), fields.integer(3, 0, _U64))


def _ack(item: Any) -> p.Ack:
    if type(item) is not int or not 0 <= item <= 255:
        raise Malformed("ack: is no status")
    return p.Ack(p.Status(item) if item <= max(p.Status) else p.Status.REFUSED)


def _data(item: Any) -> p.Data:
    fields = _Fields(item, list, "data")
    timing = None
    if fields.has(3):
        found = fields.any(3)
        is_bytes = type(found) is bytes
        timing = found if is_bytes else fields.integer(3, 0, _LONGEST_PERIOD_NS)
    return p.Data(
        sensor=fields.integer(0, 0, 15),
        time_us=fields.integer(1, 0, _U32),
        samples=fields.bytes(2, 1, 493),
        timing=timing,
    )


def _scores(item: Any) -> p.Scores:
    fields = _Fields(item, dict, "prediction")
    scores: tuple[float, ...] = ()
    is_list = False
    if fields.has(2):
        is_list = type(fields.any(2)) is list
        found = fields.items(2, 64) if is_list else [fields.number(2)]
        if not found or any(type(one) not in (int, float) for one in found):
            raise fields.wrong(2)
        scores = tuple(found)
    elif not fields.has(3):
        raise Malformed("prediction: neither scores nor a class")
    return p.Scores(
        model=fields.integer(0, 0, 7),
        time_us=fields.integer(1, 0, _U32),
        scores=scores,
        is_list=is_list,
        class_id=fields.integer(3, 0, 65535) if fields.has(3) else None,
        threshold=fields.number(4) if fields.has(4) else None,
        took_us=fields.integer(5, 0, _U32) if fields.has(5) else None,
    )


def _log(item: Any) -> p.Log:
    fields = _Fields(item, list, "log")
    return p.Log(
        fields.integer(0, 0, 3), fields.integer(1, 0, _U32), fields.text(2, 0, _TEXT_BYTES)
    )


def _config(item: Any) -> p.Config:
    fields = _Fields(item, dict, "config")
    periods = fields.pairs(0) if fields.has(0) else {}
    for sensor, period in periods.items():
        if type(sensor) is not int or not 0 <= sensor <= 15:
            raise fields.wrong(0)
        if type(period) is not int or not 0 <= period <= _LONGEST_PERIOD_NS:
            raise fields.wrong(0)
    settings = fields.pairs(1) if fields.has(1) else {}
    for name, value in settings.items():
        if type(name) is not str or not 1 <= text_bytes(name) <= _NAME_BYTES:
            raise fields.wrong(1)
        if type(value) not in (bool, int, float, str):
            raise fields.wrong(1)
        if type(value) is str and text_bytes(value) > _TEXT_BYTES:
            raise fields.wrong(1)
    return p.Config(periods, clean(settings))


def _command(item: Any) -> p.Command:
    fields = _Fields(item, list, "command")
    return p.Command(
        fields.integer(0, 0, 65535),
        fields.text(1, 1, _NAME_BYTES),
        clean(fields.any(2)) if fields.has(2) else p.NOTHING,
    )


def _response(item: Any) -> p.Response:
    fields = _Fields(item, list, "response")
    return p.Response(
        fields.integer(0, 0, 65535),
        fields.integer(1, -32768, 32767),
        clean(fields.any(2)) if fields.has(2) else p.NOTHING,
    )


_READERS: dict[int, Callable[[Any], p.Packet]] = {
    p.Type.HELLO: _hello,
    p.Type.HEARTBEAT: _heartbeat,
    p.Type.TIME: _time,
    p.Type.ACK: _ack,
    p.Type.DATA: _data,
    p.Type.PREDICTION: _scores,
    p.Type.LOG: _log,
    p.Type.CONFIG: _config,
    p.Type.COMMAND: _command,
    p.Type.RESPONSE: _response,
}


def is_finite(scores: p.Scores) -> bool:
    """Whether JSON can say the scores and the threshold."""
    return all(math.isfinite(one) for one in (*scores.scores, scores.threshold or 0.0))
