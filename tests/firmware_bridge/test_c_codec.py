"""The C codec against the golden packets, and against other people's libraries on random ones."""

import random
import struct
import zlib
from collections.abc import Iterator

import cbor2
import pytest
from cobs import cobs

from tests.firmware_bridge.compilers import Codec, built, rows, running_codec
from tools import make_bridge_vectors

PACKETS = 1500


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Codec]:
    with running_codec(built("ek_codec", tmp_path_factory.mktemp("codec"))) as running:
        yield running


def test_the_golden_packets_are_what_their_tool_writes() -> None:
    for name, text in make_bridge_vectors.written().items():
        assert (make_bridge_vectors.FOLDER / name).read_text() == text


@pytest.mark.parametrize("row", rows("good.txt", 8), ids=lambda row: row[0])
def test_good_packets_go_both_ways(codec: Codec, row: list[str]) -> None:
    _, version, kind, flags, seq, payload, frame, _ = row
    (event,) = codec.ask(f"D {frame}")
    assert event.split()[:-1] == ["F", version, kind, flags, seq, payload]
    assert codec.ask(f"E {kind} {flags} {seq} {payload}") == [f"W {frame}"]


@pytest.mark.parametrize("row", rows("bad.txt", 3), ids=lambda row: row[0])
def test_bad_packets_are_dropped_for_their_reason(codec: Codec, row: list[str]) -> None:
    _, reason, frame = row
    (event,) = codec.ask(f"D {frame}")
    assert event.split()[-1] == ("bad" if reason == "payload" else reason)


@pytest.mark.parametrize("row", rows("streams.txt", 3), ids=lambda row: row[0])
def test_out_of_noise_come_the_right_packets(codec: Codec, row: list[str]) -> None:
    _, wire, names = row
    good = {name: payload for name, _, _, _, _, payload, _, _ in rows("good.txt", 8)}
    codec.ask("R 508")
    heard = [event.split()[5] for event in codec.ask(f"D {wire}") if event.startswith("F")]
    assert heard == [good[name] for name in names.split(",") if name != "-"]


def _right(decoded: bytes) -> bool:
    return (
        10 <= len(decoded) <= 508
        and zlib.crc32(decoded[:-4]) == int.from_bytes(decoded[-4:], "little")
        and decoded[0] == 1
        and decoded[2] < 8
    )


def _expected(wire: bytes) -> list[bytes]:
    """What a receiver made of other libraries takes from bytes between delimiters."""
    taken = []
    for piece in wire.split(b"\0")[:-1]:
        try:
            decoded = cobs.decode(piece)
        except cobs.DecodeError:
            continue
        if _right(decoded):
            taken.append(decoded)
    return taken


def test_random_packets_and_random_damage_come_out_as_other_libraries_have_them(
    codec: Codec,
) -> None:
    chance = random.Random(8)
    delivered = damaged = 0
    codec.ask("R 508")
    for _ in range(PACKETS):
        payload = bytes(
            chance.choice((0, 0, 1, 255, chance.randrange(256)))
            for _ in range(chance.choice((1, 5, 60, 244, 245, 246, 247, 498, 499)))
        )
        kind, flags, seq = chance.randrange(256), chance.randrange(8), chance.randrange(65536)
        body = struct.pack("<BBBH", 1, kind, flags, seq) + payload
        wire = make_bridge_vectors.wire(make_bridge_vectors.sealed(body))
        assert codec.ask(f"E {kind} {flags} {seq} {payload.hex()}") == [f"W {wire.hex()}"]
        harmed = bytearray(wire)
        for _ in range(chance.choice((0, 0, 1, 3))):
            place = chance.randrange(len(harmed))
            match chance.randrange(4):
                case 0:
                    harmed[place] ^= 1 << chance.randrange(8)
                case 1:
                    del harmed[place]
                case 2:
                    harmed.insert(place, chance.choice((0, 1, harmed[place])))
                case 3:
                    harmed[place:place] = harmed[place : place + 20]
        sent = bytes(harmed) + b"\0"
        events = [event.split() for event in codec.ask(f"D {sent.hex()}")]
        frames = [
            struct.pack("<BBBH", *map(int, event[1:5])) + bytes.fromhex(event[5])
            for event in events if event[0] == "F"
        ]  # fmt: skip
        assert frames == [one[:-4] for one in _expected(sent)]
        delivered += len(frames)
        damaged += bytes(harmed) != wire
        assert bytes(harmed) == wire or body not in frames or wire in sent
    assert delivered > PACKETS / 3
    assert damaged > PACKETS / 3


def _value(chance: random.Random, depth: int = 0) -> object:
    kind = chance.randrange(9 if depth < 7 else 7)
    match kind:
        case 0:
            return chance.randrange(2 ** chance.choice((4, 5, 8, 16, 32, 64)))
        case 1:
            return -1 - chance.randrange(2 ** chance.choice((4, 5, 8, 16, 32, 63)))
        case 2:
            return chance.randbytes(chance.choice((0, 1, 23, 24, 255, 256)))
        case 3:
            return "".join(chance.choice("aé€𝄞\0") for _ in range(chance.choice((0, 3, 30))))
        case 4:
            return chance.choice((True, False, None))
        case 5:
            return struct.unpack("<f", struct.pack("<f", chance.uniform(-1e6, 1e6)))[0]
        case 6:
            return chance.choice((0.0, -0.0, 1.0, float("inf"), -float("inf"), 65504.0, 2.0**-24))
        case 7:
            return [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.randrange(100): _value(chance, depth + 1) for _ in range(chance.randrange(4))}


def test_random_items_are_read_and_written_as_cbor2_has_them(codec: Codec) -> None:
    chance = random.Random(9)
    for turn in range(PACKETS):
        value = _value(chance)
        item = cbor2.dumps(value, canonical=bool(turn % 2))
        assert codec.ask(f"V {item.hex()}") == ["V ok"]
        (answer,) = codec.ask(f"T {item.hex()}")
        again = bytes.fromhex(answer.removeprefix("T "))
        assert cbor2.loads(again) == value
        cut = chance.randrange(len(item))
        assert codec.ask(f"V {item[:cut].hex() or '-'}") == ["V bad"]
        assert codec.ask(f"V {item.hex()}00") == ["V bad"]
