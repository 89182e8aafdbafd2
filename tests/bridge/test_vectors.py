"""The golden packets that the C library reads as well."""

import pytest

from edgekit.bridge.cbor import Malformed, decode
from edgekit.bridge.framing import (
    WHOLE,
    Damage,
    Flags,
    Frame,
    FrameReader,
    decode_frame,
    encode_frame,
)
from edgekit.bridge.packets import Data, Device, Hello, Scores, Type
from edgekit.bridge.reading import read_batch, read_packet
from edgekit.bridge.writing import payload_of, type_of
from tests.bridge.vectors import Good, bytes_of, good, lines

GOOD = {one.name: one for one in good()}
FRAMES = {
    name: Frame(one.type, Flags(one.flags), one.seq, one.payload, one.version)
    for name, one in GOOD.items()
}


def device() -> Device:
    hello = read_packet(Type.HELLO, GOOD["hello_device"].payload)
    assert isinstance(hello, Hello)
    assert hello.device is not None
    return hello.device


@pytest.mark.parametrize("name", GOOD)
def test_a_good_frame_is_written_and_read_byte_for_byte(name: str) -> None:
    one = GOOD[name]
    assert encode_frame(FRAMES[name]) == one.frame
    assert list(FrameReader().feed(one.frame)) == [FRAMES[name]]


@pytest.mark.parametrize(
    "one", [one for one in GOOD.values() if one.value != "-"], ids=lambda one: one.name
)
def test_a_good_payload_says_the_same_after_it_was_read_and_written_again(one: Good) -> None:
    if one.type not in list(Type) and one.type < 128:
        with pytest.raises(KeyError):
            read_packet(one.type, one.payload)
        return
    packet = read_packet(one.type, one.payload)
    assert type_of(packet) == one.type
    assert read_packet(one.type, payload_of(packet)) == packet
    if isinstance(packet, Data):
        batch = read_batch(packet, device())
        assert len(batch.values) == len(batch.after_ns)


@pytest.mark.parametrize("line", lines("bad.txt", 3), ids=lambda line: line[0])
def test_a_bad_frame_fails_the_check_that_it_has_to_fail_first(line: list[str]) -> None:
    _, reason, wire = line
    found = list(FrameReader().feed(bytes_of(wire)))
    if reason != "payload":
        assert found == [Damage(reason)]
        return
    (frame,) = found
    assert isinstance(frame, Frame)
    with pytest.raises(Malformed):
        decode(frame.payload)


@pytest.mark.parametrize("line", lines("streams.txt", 3), ids=lambda line: line[0])
@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_what_noise_left_whole_comes_out_of_a_stream_and_nothing_else(
    line: list[str], step: int
) -> None:
    _, wire, names = line
    data, reader = bytes_of(wire), FrameReader()
    found = [
        item
        for start in range(0, len(data), step)
        for item in reader.feed(data[start : start + step])
    ]
    frames = [item for item in found if isinstance(item, Frame)]
    wanted = [] if names == "-" else [FRAMES[name] for name in names.split(",")]
    assert frames == wanted
    assert reader.high_water <= 511


@pytest.mark.parametrize("line", lines("messages.txt", 4), ids=lambda line: line[0])
def test_a_message_against_the_rules_is_dropped(line: list[str]) -> None:
    _, kind, payload, _ = line
    decode(bytes_of(payload))  # well-formed all the same
    with pytest.raises(Malformed):
        understood(int(kind), bytes_of(payload))


def understood(kind: int, payload: bytes) -> None:
    """Reads a payload as far as the tables of the device matter."""
    packet = read_packet(kind, payload)
    if isinstance(packet, Data):
        read_batch(packet, device())
    if isinstance(packet, Scores) and packet.model >= len(device().models):
        raise Malformed("no such model")
    if kind == Type.CONFIG:
        sensors = getattr(packet, "periods", {})
        if any(sensor >= len(device().sensors) for sensor in sensors):
            raise Malformed("no such sensor")


def test_a_frame_in_one_cobs_block_of_each_length_comes_back() -> None:
    for size in range(1, 500):
        for byte in (b"\0", b"\x55"):
            frame = Frame(5, WHOLE, size, byte * size)
            wire = encode_frame(frame)
            assert len(wire) <= 511
            assert wire.find(b"\0") == len(wire) - 1
            assert decode_frame(wire[:-1]) == frame
