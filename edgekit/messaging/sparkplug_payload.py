"""Sparkplug B payloads: bytes from metrics, and metrics from bytes.

The field numbers and data types are those of Eclipse Tahu's definition (`sparkplug_b.proto`) and
the Sparkplug specification 3.0, section 6.4; the message classes are built from them at run time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from edgekit.errors import ConfigError, InputError

DataType = Literal["Int64", "UInt64", "Double", "Boolean", "String"]
Value = bool | int | float | str

_NUMBERS: dict[str, int] = {"Int64": 4, "UInt64": 8, "Double": 10, "Boolean": 11, "String": 12}
_FIELDS: dict[str, str] = {
    "Int64": "long_value",
    "UInt64": "long_value",
    "Double": "double_value",
    "Boolean": "boolean_value",
    "String": "string_value",
}


@dataclass(frozen=True)
class Metric:
    """One named value.

    Attributes:
        name: given in a birth; left out in data that has an alias.
        alias: stands for the name after the birth.
        type: of the value.
        value: none where it is not known.
        at_ms: when it was so, milliseconds since 1970, UTC.
    """

    name: str | None
    alias: int | None
    type: DataType
    value: Value | None
    at_ms: int


def need_protobuf() -> None:
    """Looks whether the library is there.

    Raises:
        ConfigError: it is not.
    """
    try:
        from google.protobuf import message_factory  # noqa: F401
    except ModuleNotFoundError as error:
        text = "needs protobuf: pip install 'edgekit[sparkplug]', or leave it out"
        raise ConfigError("sparkplug", [text]) from error


def encode_payload(metrics: Sequence[Metric], *, at_ms: int, seq: int | None) -> bytes:
    """A payload; only a death has no `seq`."""
    payload = _payload_class()()
    payload.timestamp = at_ms
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        one = payload.metrics.add()
        if metric.name is not None:
            one.name = metric.name
        if metric.alias is not None:
            one.alias = metric.alias
        one.timestamp = metric.at_ms
        one.datatype = _NUMBERS[metric.type]
        if metric.value is None:
            one.is_null = True
        else:
            setattr(one, _FIELDS[metric.type], metric.value)
    encoded: bytes = payload.SerializeToString()
    return encoded


def commands_in(payload: bytes) -> dict[str, bool]:
    """The boolean metrics of a command, by their names.

    Raises:
        InputError: it is not a payload.
    """
    from google.protobuf.message import DecodeError

    try:
        metrics = _payload_class().FromString(payload).metrics
    except DecodeError as error:
        raise InputError(f"not a Sparkplug B payload: {error}") from error
    return {
        metric.name: bool(metric.boolean_value)
        for metric in metrics
        if metric.WhichOneof("value") == "boolean_value"
    }


@cache
def _payload_class() -> Any:
    """The class of `Payload`, with the fields that we write or read; others are passed over."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="edgekit_sparkplug_b.proto", package="org.eclipse.tahu.protobuf", syntax="proto2"
    )
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for name, number, kind in (
        ("name", 1, kinds.TYPE_STRING),
        ("alias", 2, kinds.TYPE_UINT64),
        ("timestamp", 3, kinds.TYPE_UINT64),
        ("datatype", 4, kinds.TYPE_UINT32),
        ("is_historical", 5, kinds.TYPE_BOOL),
        ("is_null", 7, kinds.TYPE_BOOL),
    ):
        metric.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    for name, number, kind in (
        ("int_value", 10, kinds.TYPE_UINT32),
        ("long_value", 11, kinds.TYPE_UINT64),
        ("float_value", 12, kinds.TYPE_FLOAT),
        ("double_value", 13, kinds.TYPE_DOUBLE),
        ("boolean_value", 14, kinds.TYPE_BOOL),
        ("string_value", 15, kinds.TYPE_STRING),
    ):
        metric.field.add(
            name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL, oneof_index=0
        )
    for name, number in (("timestamp", 1), ("seq", 3)):
        payload.field.add(
            name=name, number=number, type=kinds.TYPE_UINT64, label=kinds.LABEL_OPTIONAL
        )
    payload.field.add(
        name="metrics",
        number=2,
        type=kinds.TYPE_MESSAGE,
        type_name=".org.eclipse.tahu.protobuf.Payload.Metric",
        label=kinds.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("org.eclipse.tahu.protobuf.Payload")
    )
