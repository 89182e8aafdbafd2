"""`python -m tools.make_bridge_vectors`: writes the firmware bridge's golden packets.

They come from `cobs`, `cbor2` and `zlib`, so that neither codec under test is its own judge.
"""

import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cbor2
from cobs import cobs

FOLDER = Path(__file__).parent.parent / "firmware_bridge" / "vectors"
_KINDS = ("hello", "heartbeat", "time", "ack", "data", "prediction", "log", "config", "command")
_TYPES = {name: number for number, name in enumerate((*_KINDS, "response"), start=1)}
_RELIABLE, _FIRST, _LAST = 1, 2, 4
_WHOLE = _FIRST | _LAST
_LONGEST = 508


@dataclass(frozen=True)
class Single:
    """A float that is written with 32 bits, which `cbor2` has no other way to say."""

    value: float


def packed(value: object) -> bytes:
    """The CBOR of `value`, keys in the order given."""
    return cbor2.dumps(
        value, default=lambda encoder, one: encoder.write(b"\xfa" + struct.pack(">f", one.value))
    )


def diagnostic(value: Any) -> str:
    """`value` in the diagnostic notation of RFC 8949."""
    match value:
        case bool() | None:
            return {True: "true", False: "false", None: "null"}[value]
        case Single():
            return f"{value.value!r}_2"
        case bytes():
            return f"h'{value.hex()}'"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case dict():
            inside = (f"{diagnostic(key)}: {diagnostic(one)}" for key, one in value.items())
            return "{" + ", ".join(inside) + "}"
        case list():
            return "[" + ", ".join(map(diagnostic, value)) + "]"
    return repr(value)


def frame(payload: bytes, *, kind: int, flags: int, seq: int, version: int = 1) -> bytes:
    """A whole frame on the wire, with its delimiter and nothing before it."""
    return wire(sealed(struct.pack("<BBBH", version, kind, flags, seq) + payload))


def sealed(body: bytes) -> bytes:
    """`body` and its checksum."""
    return body + struct.pack("<I", zlib.crc32(body))


def wire(decoded: bytes) -> bytes:
    """COBS and the delimiter."""
    return bytes(cobs.encode(decoded)) + b"\0"


def _samples(count: int) -> bytes:
    return struct.pack(f"<{count}h", *((k * 7919) % 65536 - 32768 for k in range(count)))


SENSORS = [
    {0: "accel", 1: "m/s2", 2: 1_000_000, 3: 1, 4: 3, 5: Single(0.0625), 6: Single(0.0)},
    {0: "temp", 1: "degC", 2: 1_000_000_000, 3: 2, 4: 1, 5: Single(0.25), 6: Single(-40.0)},
    {0: "mic", 1: "", 2: 62_500, 3: 0, 4: 1, 5: Single(1.0), 6: Single(0.0)},
]
_SESSION = {0: 1, 1: 0xC0FFEE01, 2: 0, 3: False, 4: 508, 5: 499}
DEVICE = {
    **_SESSION, 6: 12_345, 7: "pump-7", 8: "vibration", 9: "1.2.0",
    10: SENSORS, 11: [{0: "autoencoder", 1: bytes.fromhex("00112233445566ff"), 2: 0}],
}  # fmt: skip
_SESSION_OF_HOST = {0: 1, 1: 7, 2: 0, 3: False, 4: 508, 5: 16384}

MESSAGES: list[tuple[str, str, bool, int, Any]] = [
    ("hello_host_first", "hello", False, 0, _SESSION_OF_HOST),
    ("hello_host_open", "hello", False, 1, {**_SESSION_OF_HOST, 2: 0xC0FFEE01, 3: True}),
    ("hello_device", "hello", False, 0, DEVICE),
    ("hello_device_open", "hello", False, 1, {**DEVICE, 2: 7, 3: True}),
    ("hello_device_least", "hello", False, 3, {**DEVICE, 10: [dict(list(SENSORS[2].items())[:4])]}),
    ("hello_with_unknown_keys", "hello", False, 2, {**_SESSION_OF_HOST, 40: [1, {2: b"\0"}]}),
    ("heartbeat_least", "heartbeat", False, 3, {0: 0}),
    ("heartbeat_full", "heartbeat", False, 4,
     {0: 2**40 + 5, 1: 1, 2: 2, 3: 255, 4: 65536, 5: 2**32 - 1, 6: 24, 7: 508}),
    ("time_question", "time", False, 5, [0, 1_790_000_000_123_456]),
    ("time_question_with_offset", "time", False, 6, [0, 1_790_000_000_123_456, -123_456_789]),
    ("time_answer", "time", False, 7, [1, 1_790_000_000_123_456, 5_000_000, 5_000_321]),
    ("ack_ok", "ack", False, 0, 0),
    ("ack_too_long", "ack", False, 65535, 4),
    ("data_one_sample", "data", False, 8, [1, 1_000, struct.pack("<i", -5)]),
    ("data_three_channels", "data", False, 9, [0, 2**32 - 1, _samples(12)]),
    ("data_own_period", "data", False, 10, [0, 70_000, _samples(6), 500_000]),
    ("data_irregular", "data", False, 11,
     [1, 70_000, struct.pack("<3i", 1, -1, 2**31 - 1), struct.pack("<2I", 1000, 2500)]),
    ("data_longest", "data", False, 0x0100, [2, 2**32 - 2, _samples(244) + b"\x80"]),
    ("data_all_zero", "data", False, 12, [0, 0, bytes(300)]),
    ("data_no_zero_254", "data", False, 0x0102, [2, 0x01010101, b"\x55" * 236]),
    ("data_no_zero_508", "data", False, 0x0103, [2, 0x01010101, b"\xaa" * 489]),
    ("prediction_score", "prediction", False, 13, {0: 0, 1: 99, 2: Single(0.125)}),
    ("prediction_reliable", "prediction", True, 1,
     {0: 0, 1: 2**32 - 1, 2: [Single(0.5), Single(-2.0)], 3: 1, 4: Single(0.75), 5: 1234}),
    ("prediction_integers", "prediction", False, 14, {0: 7, 1: 0, 2: [-128, 0, 127], 3: 2}),
    ("log", "log", False, 15, [2, 5, "näher als 5 µm"]),
    ("log_empty", "log", False, 16, [0, 5, ""]),
    ("config", "config", True, 2,
     {0: {0: 2_000_000, 1: 0}, 1: {"gain": 3, "on": True, "limit": Single(1.5), "mode": "fast"}}),
    ("config_empty", "config", True, 3, {}),
    ("command", "command", True, 4, [513, "calibrate"]),
    ("command_with_argument", "command", True, 5, [1, "move", {"to": [-1, 2], "raw": b"\0\1"}]),
    ("response", "response", True, 6, [513, 0]),
    ("response_with_value", "response", True, 7, [1, -22, [None, False, 2.5, -(2**63), 2**64 - 1]]),
    ("deepest", "response", True, 8, [1, 0, [[[[[[[1]]]]]]]]),
]  # fmt: skip

ODD: list[tuple[str, int, int, int, bytes, str]] = [
    ("chunk_first", 1, _FIRST, 20, packed(DEVICE)[:50], "-"),
    ("chunk_middle", 1, 0, 21, packed(DEVICE)[50:51], "-"),
    ("chunk_last", 1, _LAST, 22, packed(DEVICE)[51:], "-"),
    ("application_type", 200, _WHOLE, 23, packed([1]), "[1]"),
    ("unknown_type", 77, _WHOLE | _RELIABLE, 9, packed({}), "{}"),
    ("wide_integers", 4, _WHOLE, 24, bytes.fromhex("1b0000000000000000"), "0_3"),
    ("half_float", 6, _WHOLE, 25, bytes.fromhex("a300000100 02f93c00".replace(" ", "")),
     "{0: 0, 1: 0, 2: 1.0_1}"),
]  # fmt: skip


def good() -> list[tuple[str, str, bytes]]:
    """Name, line and frame of everything that a receiver has to take."""
    rows = [
        (name, _TYPES[kind], _WHOLE | reliable, seq, packed(value), diagnostic(value))
        for name, kind, reliable, seq, value in MESSAGES
    ]
    lines = []
    for name, kind, flags, seq, payload, value in [*rows, *ODD]:
        encoded = frame(payload, kind=kind, flags=flags, seq=seq)
        fields = f"{name} 1 {kind} {flags} {seq} {payload.hex()} {encoded.hex()} {value}"
        lines.append((name, fields, encoded))
    return lines


def bad() -> list[tuple[str, str, bytes]]:
    """Name, reason and frame of what a receiver has to drop."""
    body = struct.pack("<BBBH", 1, 2, _WHOLE, 1) + packed({0: 5})
    right = wire(sealed(body))
    turned = sealed(body)[:-4] + sealed(body)[:-5:-1]
    rows = [
        ("block_beyond_the_end", "cobs", bytes([right[0] + 40]) + right[1:]),
        ("block_cut_short", "cobs", right[:-2] + b"\0"),
        ("lone_code", "cobs", b"\x02\0"),
        ("nine_bytes", "length", wire(sealed(body[:5]))),
        ("one_byte", "length", wire(b"\7")),
        ("one_zero_byte", "length", wire(b"\0")),
        ("509_bytes", "length", wire(sealed(body[:5] + packed(bytes(497))))),
        ("509_bytes_without_zero", "length", wire(b"\x21" * 509)),
        ("far_too_long", "length", wire(b"\x31" * 3000)),
        ("flipped_bit", "crc", right[:9] + bytes([right[9] ^ 16]) + right[10:]),
        ("checksum_turned_round", "crc", wire(turned)),
        ("checksum_of_payload_only", "crc", wire(body + sealed(body[5:])[-4:])),
        ("checksum_not_inverted", "crc",
         wire(body + struct.pack("<I", zlib.crc32(body) ^ 0xFFFFFFFF))),
        ("version_0", "version", frame(b"\0", kind=2, flags=6, seq=1, version=0)),
        ("version_2", "version", frame(b"\0", kind=2, flags=6, seq=1, version=2)),
    ]  # fmt: skip
    rows += [
        (f"reserved_flag_{bit}", "flags", frame(b"\0", kind=2, flags=6 | 1 << bit, seq=1))
        for bit in range(3, 8)
    ]
    for name, payload in [
        ("tag", "c100"), ("undefined", "f7"), ("simple_value", "e0"), ("simple_in_two", "f8ff"),
        ("two_items", "0000"), ("array_cut_short", "8201"), ("map_cut_short", "a10100a1"),
        ("map_without_a_value", "a101"), ("string_cut_short", "4401"), ("text_cut_short", "63"),
        ("integer_cut_short", "1901"), ("float_cut_short", "fa0000"), ("break", "ff"),
        ("endless_array", "9fff"), ("endless_map", "bfff"), ("endless_string", "5fff"),
        ("reserved_width", "1c"), ("below_64_bits", "3b8000000000000000"),
        ("huge_array", "9bffffffffffffffff"), ("huge_map", "bb8000000000000000"),
        ("huge_string", "5bffffffffffffffff"), ("too_deep", "81" * 9 + "00"),
        ("too_deep_and_empty", "81" * 8 + "80"), ("key_cut_short", "a2000018"),
    ]:  # fmt: skip
        rows.append((name, "payload", frame(bytes.fromhex(payload), kind=2, flags=6, seq=1)))
    return rows


def streams(frames: dict[str, bytes]) -> list[tuple[str, bytes, list[str]]]:
    """Name, what came over the line, and the frames that have to come out of it."""
    a, b, c = (frames[name] for name in ("data_three_channels", "log", "command"))
    names = ["data_three_channels", "log", "command"]
    first_and_last, last_two, last = [names[0], names[2]], names[1:], names[2:]
    return [
        ("clean", a + b + c, names),
        ("flushed", b"\0" + a + b"\0\0\0" + b + b"\0" + c, names),
        ("noise_before_a_flush", b"\xde\xad\xbe\xef\0" + a + b + c, names),
        ("noise_without_a_flush", b"\xde\xad\xbe\xef" + a + b + c, last_two),
        ("started_in_mid_frame", a[7:] + b + c, last_two),
        ("flipped_bit", a + b[:9] + bytes([b[9] ^ 1]) + b[10:] + c, first_and_last),
        ("lost_byte", a + b[:9] + b[10:] + c, first_and_last),
        ("inserted_byte", a + b[:9] + b"\x42" + b[9:] + c, first_and_last),
        ("doubled_byte", a + b[:9] + b[8:] + c, first_and_last),
        ("inserted_zero", a + b[:9] + b"\0" + b[9:] + c, first_and_last),
        ("lost_delimiter", a[:-1] + b + c, last),
        ("delimiter_turned_into_a_byte", a[:-1] + b"\x80" + b + c, last),
        ("unplugged_in_mid_frame", a + b[:11] + b"\0" + c, first_and_last),
        ("frame_twice", a + a + c, [names[0], *first_and_last]),
        ("other_order", c + a + b, [names[2], *names[:2]]),
        ("flood_without_delimiter", b"\x55" * 5000 + b"\0" + c, last),
        ("flood_of_delimiters", bytes(2000) + c, last),
        ("never_a_delimiter", b"\x55" * 1000, []),
        ("last_one_unfinished", a + b + c[:-1], names[:2]),
        ("two_longest", frames["data_longest"] * 2, ["data_longest"] * 2),
    ]


def wrong_messages() -> list[tuple[str, str, Any]]:
    """Why a message is wrong, its kind, and its value."""
    hello = _SESSION_OF_HOST
    return [
        ("hello without a nonce", "hello", {k: v for k, v in hello.items() if k != 1}),
        ("hello with nonce 0", "hello", {**hello, 1: 0}),
        ("hello with too small a max_frame", "hello", {**hello, 4: 63}),
        ("hello with open as a number", "hello", {**hello, 3: 1}),
        ("hello that is an array", "hello", [1, 2, 0, False, 508, 499]),
        ("device without sensors", "hello", {k: v for k, v in DEVICE.items() if k != 10}),
        ("17 sensors", "hello", {**DEVICE, 10: [SENSORS[1]] * 17}),
        ("sensor with an unknown format", "hello", {**DEVICE, 10: [{**SENSORS[1], 3: 6}]}),
        ("sensor with 17 channels", "hello", {**DEVICE, 10: [{**SENSORS[1], 4: 17}]}),
        ("sensor without a name", "hello", {**DEVICE, 10: [{**SENSORS[1], 0: ""}]}),
        ("device's name with a slash", "hello", {**DEVICE, 7: "a/b"}),
        ("heartbeat without a clock", "heartbeat", {1: 5}),
        ("heartbeat with a negative counter", "heartbeat", {0: 5, 1: -1}),
        ("question without a time", "time", [0]),
        ("answer with one time too few", "time", [1, 5, 6]),
        ("time of a third kind", "time", [2, 5, 6, 7]),
        ("ack with text", "ack", "OK"),
        ("data without samples", "data", [0, 5, b""]),
        ("data with part of an instant", "data", [0, 5, bytes(5)]),
        ("data of a sensor that is not there", "data", [15, 5, bytes(6)]),
        ("data with a time of 33 bits", "data", [0, 2**32, bytes(6)]),
        ("data with too many deltas", "data", [0, 5, bytes(6), bytes(4)]),
        ("data as text", "data", [0, 5, "abcdef"]),
        ("prediction of nothing", "prediction", {0: 0, 1: 5}),
        ("prediction of a model that is not there", "prediction", {0: 7, 1: 5, 3: 1}),
        ("prediction with text", "prediction", {0: 0, 1: 5, 2: "high"}),
        ("prediction with no score in its list", "prediction", {0: 0, 1: 5, 2: []}),
        ("log of level 4", "log", [4, 5, "x"]),
        ("log of bytes", "log", [1, 5, b"x"]),
        ("config of an unknown sensor", "config", {0: {15: 5}}),
        ("config with a negative period", "config", {0: {0: -5}}),
        ("config with a list for a setting", "config", {1: {"gain": [1]}}),
        ("config with a number for a name", "config", {1: {1: 1}}),
        ("config that is a list", "config", []),
        ("command without a name", "command", [1]),
        ("command with an empty name", "command", [1, ""]),
        ("command with a large id", "command", [65536, "go"]),
        ("response without a status", "response", [1]),
        ("response with a large status", "response", [1, 32768]),
    ]


def written() -> dict[str, str]:
    """What each file has to hold, by its name."""
    lines = good()
    frames = {name: encoded for name, _, encoded in lines}
    wrong = (
        f"{reason.replace(' ', '_')} {_TYPES[kind]} {packed(value).hex()} {diagnostic(value)}"
        for reason, kind, value in wrong_messages()
    )
    noisy = (
        f"{name} {wire_.hex()} {','.join(names) or '-'}" for name, wire_, names in streams(frames)
    )
    files = {
        "good.txt": (line for _, line, _ in lines),
        "bad.txt": (f"{name} {reason} {encoded.hex()}" for name, reason, encoded in bad()),
        "streams.txt": noisy,
        "messages.txt": wrong,
    }
    remark = "# Written by tools/make_bridge_vectors.py; see README.md.\n"
    return {name: remark + "\n".join(rows) + "\n" for name, rows in files.items()}


def main() -> int:
    """Writes the files."""
    for name, text in written().items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
