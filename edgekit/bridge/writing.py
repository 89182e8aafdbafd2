"""Writes packets: values to payload bytes."""

from typing import Any

from edgekit.bridge import packets as p
from edgekit.bridge.cbor import encode


def type_of(packet: p.Packet) -> int:
    """The type of the frames that carry a packet."""
    return packet.type if isinstance(packet, p.Application) else _TYPES[type(packet)]


def payload_of(packet: p.Packet) -> bytes:
    """A packet's payload. That its values keep the protocol's limits is the caller's to see to."""
    return encode(_item(packet))


_TYPES: dict[type, p.Type] = {
    p.Hello: p.Type.HELLO,
    p.Heartbeat: p.Type.HEARTBEAT,
    p.TimeQuestion: p.Type.TIME,
    p.TimeAnswer: p.Type.TIME,
    p.Ack: p.Type.ACK,
    p.Data: p.Type.DATA,
    p.Scores: p.Type.PREDICTION,
    p.Log: p.Type.LOG,
    p.Config: p.Type.CONFIG,
    p.Command: p.Type.COMMAND,
    p.Response: p.Type.RESPONSE,
}


def _item(packet: p.Packet) -> Any:
    match packet:
        case p.Hello():
            return _hello(packet)
        case p.Heartbeat():
            counters = {
                key: packet.counters[name] & 0xFFFFFFFF
                for key, name in enumerate(p.COUNTERS, 1)
                if name in packet.counters
            }
            return {0: packet.clock_us, **counters}
        case p.TimeQuestion():
            known = [] if packet.offset_us is None else [packet.offset_us]
            return [0, packet.t1_us, *known]
        case p.TimeAnswer():
            return [1, packet.t1_us, packet.t2_us, packet.t3_us]
        case p.Ack():
            return int(packet.status)
        case p.Data():
            timing = [] if packet.timing is None else [packet.timing]
            return [packet.sensor, packet.time_us, packet.samples, *timing]
        case p.Scores():
            return _scores(packet)
        case p.Log():
            return [packet.level, packet.time_us, packet.text]
        case p.Config():
            told = {0: dict(packet.periods), 1: dict(packet.settings)}
            return {key: value for key, value in told.items() if value}
        case p.Command():
            argument = [] if packet.argument is p.NOTHING else [packet.argument]
            return [packet.id, packet.name, *argument]
        case p.Response():
            value = [] if packet.value is p.NOTHING else [packet.value]
            return [packet.id, packet.status, *value]
        case p.Application():
            return packet.value


def _hello(hello: p.Hello) -> dict[int, Any]:
    session, device = hello.session, hello.device
    told: dict[int, Any] = {
        0: session.version,
        1: session.nonce,
        2: session.heard,
        3: session.is_open,
        4: session.max_frame,
        5: session.max_message,
    }
    if device is not None:
        told |= {
            6: device.clock_us,
            7: device.name,
            8: device.firmware,
            9: device.firmware_version,
            10: [_sensor(one) for one in device.sensors],
        }
        if device.models:
            told[11] = [_model(one) for one in device.models]
    return told


def _sensor(sensor: p.Sensor) -> dict[int, Any]:
    told: dict[int, Any] = {
        0: sensor.name,
        1: sensor.unit,
        2: sensor.period_ns,
        3: p.FORMATS.index(sensor.format),
    }
    more = {4: (sensor.channels, 1), 5: (sensor.scale, 1), 6: (sensor.offset, 0)}
    return told | {key: value for key, (value, default) in more.items() if value != default}


def _model(model: p.Model) -> dict[int, Any]:
    more = {} if model.sensor is None else {2: model.sensor}
    return {0: model.name, 1: model.digest, **more}


def _scores(scores: p.Scores) -> dict[int, Any]:
    told: dict[int, Any] = {0: scores.model, 1: scores.time_us}
    if scores.scores:
        told[2] = list(scores.scores) if scores.is_list else scores.scores[0]
    more = {3: scores.class_id, 4: scores.threshold, 5: scores.took_us}
    return told | {key: value for key, value in more.items() if value is not None}
