import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.bridge.framing import WHOLE, Damage, Flags, Frame, FrameReader, encode_frame
from edgekit.bridge.noise import Noise

FRAMES = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 7).map(Flags),
    st.integers(0, 65535),
    st.binary(min_size=1, max_size=499),
)


@given(st.lists(FRAMES, max_size=6), st.integers(1, 700))
def test_frames_come_out_of_a_stream_cut_anywhere(frames: list[Frame], step: int) -> None:
    wire = b"".join(map(encode_frame, frames))
    reader = FrameReader()
    found = [
        item
        for start in range(0, len(wire), step)
        for item in reader.feed(wire[start : start + step])
    ]
    assert found == frames


@given(st.lists(st.binary(max_size=3000), max_size=5))
def test_whatever_bytes_come_the_reader_holds_less_than_a_frame(pieces: list[bytes]) -> None:
    reader = FrameReader()
    for piece in pieces:
        for found in reader.feed(piece):
            assert isinstance(found, Frame | Damage)
        assert reader.held <= 511
    after = Frame(7, WHOLE, 1, b"x")
    assert list(reader.feed(b"\0" + encode_frame(after)))[-1] == after


def test_a_flood_without_an_end_is_skipped_and_the_next_frame_is_heard() -> None:
    reader = FrameReader()
    for _ in range(2000):
        assert not list(reader.feed(b"\1" * 1000))
        assert reader.held == 0 or reader.held <= 511
    frame = Frame(5, WHOLE, 7, b"fine")
    assert list(reader.feed(b"\0" + encode_frame(frame))) == [Damage("length"), frame]


@pytest.mark.parametrize("size", [509, 510, 511, 512, 513, 514, 700, 5000])
@pytest.mark.parametrize("step", [1, 7, 6000])
def test_of_what_is_too_long_a_block_beyond_its_end_is_told_first(size: int, step: int) -> None:
    """As the checks' order has it, however the bytes come."""
    whole, beyond = b"\1" * size, b"\1" * (size - 1) + b"\2"
    for piece, fault in ((whole, "length"), (beyond, "cobs")):
        reader = FrameReader()
        wire = piece + b"\0"
        pieces = [wire[at : at + step] for at in range(0, len(wire), step)]
        found = [one for piece in pieces for one in reader.feed(piece)]
        assert found in ([Damage(fault)], [Damage("crc")])
        assert found == [Damage(fault)] or size <= 509


def test_a_reader_of_short_frames_refuses_longer_ones() -> None:
    reader = FrameReader(longest=64)
    short, long = Frame(5, WHOLE, 1, b"x" * 55), Frame(5, WHOLE, 2, b"x" * 56)
    assert list(reader.feed(encode_frame(long) + encode_frame(short))) == [Damage("length"), short]


@pytest.mark.parametrize("chance", [1e-4, 1e-3, 1e-2])
@pytest.mark.parametrize("kind", ["flip", "drop", "double", "swap", "insert", "all"])
def test_noise_never_makes_another_frame_and_costs_only_those_it_hits(
    kind: str, chance: float
) -> None:
    rng = random.Random(f"{kind} {chance}")
    noise = Noise.of_all_kinds(chance, rng) if kind == "all" else Noise(**{kind: chance}, rng=rng)
    reader = FrameReader()
    sent: list[Frame] = []
    came: list[Frame] = []
    touched: list[bool] = []
    for number in range(1500):
        frame = Frame(5, WHOLE, number, rng.randbytes(rng.randrange(1, 200)))
        before = noise.hits
        wire = noise.damage(encode_frame(frame))
        sent.append(frame)
        touched.append(noise.hits > before)
        came += [found for found in reader.feed(wire) if isinstance(found, Frame)]
    assert set(map(repr, came)) <= set(map(repr, sent))  # nothing that was not sent
    assert [one.seq for one in came] == sorted({one.seq for one in came})  # once, in order
    arrived = {frame.seq for frame in came}
    for number, was_hit in enumerate(touched):
        if not was_hit and not touched[max(0, number - 1)]:
            assert number in arrived  # whole again with the next delimiter
    assert len(came) < len(sent)
