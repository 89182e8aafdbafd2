"""What capture decides without a device: regions, paces, clocks, slots and what it quotes."""

import os
from contextlib import suppress
from typing import Literal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.capture.clocks import StreamClock, driver_time
from edgekit.pipeline.capture.exchange import Exchange
from edgekit.pipeline.capture.last_words import LastWords, readable_lines, without_secrets
from edgekit.pipeline.capture.pace import Pace
from edgekit.pipeline.capture.protocol import (
    SLOTS,
    Alive,
    Captured,
    Ended,
    Failed,
    Opened,
    Refused,
    ToParent,
    decode,
)
from edgekit.pipeline.capture.region import Flip, Region, Turn, box_as_taken, box_of, region_mistake
from edgekit.pipeline.pictures import turn_picture

MS = 1_000_000
SIDES = st.integers(2, 12)


@given(
    height=SIDES,
    width=SIDES,
    rotate=st.sampled_from([0, 90, 180, 270]),
    flip=st.sampled_from([None, "horizontal", "vertical"]),
    data=st.data(),
)
@settings(deadline=None)
def test_cutting_first_and_turning_then_is_turning_first_and_cutting_then(
    height: int, width: int, rotate: Turn, flip: Flip, data: st.DataObject
) -> None:
    taken = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    upright = turn_picture(taken, rotate=rotate, flip=flip)
    high, wide = upright.shape[:2]
    left, top = data.draw(st.integers(0, wide - 1)), data.draw(st.integers(0, high - 1))
    box = (
        left,
        top,
        data.draw(st.integers(1, wide - left)),
        data.draw(st.integers(1, high - top)),
    )
    x, y, w, h = box_as_taken(box, height=height, width=width, rotate=rotate, flip=flip)
    cut = turn_picture(taken[y : y + h, x : x + w], rotate=rotate, flip=flip)
    np.testing.assert_array_equal(cut, upright[top : top + box[3], left : left + box[2]])


@given(
    st.tuples(*[st.floats(0, 1)] * 2, *[st.floats(1e-6, 1)] * 2),
    st.integers(1, 4000),
    st.integers(1, 4000),
)
@settings(deadline=None)
def test_shares_always_lie_in_the_picture(region: Region, height: int, width: int) -> None:
    if region_mistake(region):
        return
    left, top, wide, high = box_of(region, height=height, width=width)
    assert 0 <= left < left + wide <= width
    assert 0 <= top < top + high <= height


def test_a_region_is_of_pixels_or_of_shares() -> None:
    assert box_of((10, 20, 30, 40), height=100, width=100) == (10, 20, 30, 40)
    assert box_of((0.5, 0, 0.5, 1), height=10, width=20) == (10, 0, 10, 10)
    with pytest.raises(InputError, match="100 x 50"):
        box_of((90, 0, 20, 10), height=50, width=100)


@pytest.mark.parametrize(
    "region", [(-1, 0, 5, 5), (0, 0, 0, 5), (0.5, 0.0, 0.6, 1.0), (0.0, 0.0, 10, 0.5)]
)
def test_an_impossible_region_is_a_mistake(region: Region) -> None:
    assert region_mistake(region)


@given(st.lists(st.integers(1, 60), min_size=50, max_size=200), st.floats(1, 30))
@settings(deadline=None)
def test_a_pace_lets_never_more_pass_than_it_says(gaps_ms: list[int], max_hz: float) -> None:
    pace, now_ns, passed = Pace(max_hz), 0, 0
    for gap in gaps_ms:
        now_ns += gap * MS
        passed += pace.passes(now_ns)
    assert 1 <= passed <= now_ns / 1e9 * max_hz + 2


def test_a_camera_that_trembles_is_thinned_evenly() -> None:
    rng = np.random.default_rng(0)
    times = (np.arange(300) / 30 + rng.uniform(-0.003, 0.003, 300)) * 1e9
    pace = Pace(10.0)
    assert sum(pace.passes(int(time)) for time in times) == pytest.approx(100, abs=2)


def test_a_pace_says_how_long_to_wait() -> None:
    pace = Pace(10.0)
    assert pace.wait_ns(5) == 0
    assert pace.passes(5)
    assert pace.wait_ns(5 + 40 * MS) == 60 * MS
    pace.set_rate(None)
    assert pace.passes(6)
    assert pace.passes(6)


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (990, True),
        (1000, True),
        (1001, False),
        (-5000, False),
        (900, False),
        (1_700_000_000, False),
    ],
)
def test_a_drivers_time_is_believed_where_it_can_be(said: int, believed: bool) -> None:
    taken = driver_time(said * MS, before_ns=950 * MS, arrived_ns=1000 * MS)
    assert taken == (said if believed else 1000) * MS


def test_a_queue_that_grows_shows_in_a_streams_clock() -> None:
    clock = StreamClock()
    ages = []
    for number in range(100):
        said_ns = number * 33 * MS + 7_000_000 * MS
        arrived_ns = number * 33 * MS + max(0, number - 50) * 5 * MS
        ages.append((arrived_ns - clock.taken_at_ns(said_ns, arrived_ns)) / MS)
    assert max(ages[:50]) < 0.1
    assert ages[-1] == pytest.approx(49 * 5, abs=5)


def test_a_clock_that_drifts_ages_no_picture() -> None:
    clock = StreamClock()
    for number in range(0, 100_000, 100):
        said_ns, arrived_ns = number * 33 * MS, round(number * 33 * MS * (1 + 100e-6))
        assert arrived_ns - clock.taken_at_ns(said_ns, arrived_ns) < 1 * MS


@given(st.lists(st.tuples(st.integers(-(10**15), 10**15), st.integers(0, 10**10)), max_size=40))
@settings(deadline=None)
def test_a_stream_may_say_any_time(steps: list[tuple[int, int]]) -> None:
    clock, arrived_ns = StreamClock(), 10**12
    for said_ns, gap_ns in steps:
        arrived_ns += gap_ns
        taken_ns = clock.taken_at_ns(said_ns, arrived_ns)
        assert 0 <= arrived_ns - taken_ns <= 60_000 * MS


class Parent:
    """Hears what an exchange says."""

    def __init__(self) -> None:
        self.heard: list[ToParent] = []
        self.now = 0.0

    def exchange(self, *, is_live: bool) -> Exchange:
        return Exchange(self.heard.append, is_live=is_live, beat_s=1.0, clock=lambda: self.now)

    def slots(self) -> list[int]:
        return [message.slot for message in self.heard if isinstance(message, Captured)]


def offer(exchange: Exchange, number: int) -> None:
    slot = exchange.slot()
    assert slot is not None
    exchange.offer(Captured(slot, number, 0, str(number)))


def test_nothing_is_said_before_it_is_asked() -> None:
    parent = Parent()
    exchange = parent.exchange(is_live=False)
    offer(exchange, 1)
    exchange.offer(Ended())
    assert parent.heard == []
    exchange.ask()
    exchange.ask()
    assert [type(message) for message in parent.heard] == [Captured, Ended]


def test_the_newest_replaces_what_waits_and_the_replaced_are_counted() -> None:
    parent = Parent()
    exchange = parent.exchange(is_live=True)
    for number in range(10):
        offer(exchange, number)
    exchange.ask()
    (message,) = parent.heard
    assert isinstance(message, Captured)
    assert (message.origin, message.skipped) == ("9", 9)


def test_a_picture_that_waits_gives_up_its_slot_when_the_parent_holds_all_others() -> None:
    parent = Parent()
    exchange = parent.exchange(is_live=True)
    for number in range(SLOTS - 1):
        exchange.ask()
        offer(exchange, number)
    offer(exchange, 8)
    offer(exchange, 9)
    exchange.ask()
    assert isinstance(last := parent.heard[-1], Captured)
    assert (last.origin, last.skipped) == ("9", 1)
    assert sorted(parent.slots()) == [0, 1, 2]
    assert exchange.slot() is None  # the parent holds all


@given(st.lists(st.sampled_from(["ask", "make", "release", "refuse"]), max_size=80))
@settings(deadline=None)
def test_no_slot_is_ever_in_two_hands(steps: list[str]) -> None:
    parent = Parent()
    exchange = parent.exchange(is_live=True)
    held: list[int] = []
    for step in steps:
        before = len(parent.heard)
        if step == "ask":
            exchange.ask()
        elif step == "refuse":
            exchange.offer(Refused("no"))
        elif step == "release" and held:
            exchange.release(held.pop(0))
        elif (slot := exchange.slot()) is not None:
            assert slot not in held
            exchange.offer(Captured(slot, 0, 0, ""))
        held += [item.slot for item in parent.heard[before:] if isinstance(item, Captured)]
        assert len(held) == len(set(held)) <= SLOTS


def test_a_beat_is_heard_only_while_the_parent_waits_and_not_too_often() -> None:
    parent = Parent()
    exchange = parent.exchange(is_live=True)
    parent.now = 5.0
    exchange.beat()
    exchange.ask()
    exchange.beat()
    assert parent.heard == []
    parent.now = 6.5
    exchange.beat()
    exchange.beat()
    assert parent.heard == [Alive()]


MESSAGES: list[ToParent] = [
    Alive(),
    Opened("640 x 480"),
    Captured(0, 1, 2, "x"),
    Refused("r"),
    Failed("f"),
    Ended(),
]


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_garbage_from_the_child_is_unavailable(data: bytes) -> None:
    with suppress(Unavailable):
        decode(data)


@given(
    st.sampled_from(MESSAGES),
    st.integers(0, 50),
    st.binary(max_size=4),
    st.sampled_from(["cut", "put", "swap"]),
)
@settings(deadline=None)
def test_damaged_messages_are_messages_or_unavailable(
    message: ToParent, at: int, more: bytes, how: Literal["cut", "put", "swap"]
) -> None:
    data = msgspec.msgpack.encode(message)
    rest = {"cut": b"", "put": data[at:], "swap": data[at + len(more) :]}[how]
    try:
        decoded = decode(data[:at] + more + rest)
    except Unavailable:
        return
    assert not isinstance(decoded, Captured) or 0 <= decoded.slot < SLOTS


@pytest.mark.parametrize("slot", [-1, SLOTS, 2**40])
def test_a_slot_that_is_none_is_unavailable(slot: int) -> None:
    with pytest.raises(Unavailable, match="slot"):
        decode(msgspec.msgpack.encode(Captured(slot, 0, 0, "")))


def test_the_last_words_are_few_clean_and_never_block() -> None:
    words = LastWords()
    for number in range(5000):
        try:
            os.write(words.writer, f"line {number} \x1b[31m of some length\n".encode())
        except BlockingIOError:
            break
    else:
        pytest.fail("the pipe has no end")
    words.drain()
    os.write(words.writer, b"[rtsp @ 0x7f00] rtsp://me:pw@host/cam?token=x failed\n")
    words.close_writer()
    words.close()
    words.drain()
    assert words.quoted(1) == "[rtsp] rtsp://***@host/cam failed"


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_can_be_quoted(data: bytes) -> None:
    text = " / ".join(readable_lines(data))
    assert without_secrets(text).isprintable()
