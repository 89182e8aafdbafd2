"""A device that says what it likes: whatever it is, the host neither falls nor grows."""

import random
import tracemalloc

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bridge import packets as p
from edgekit.bridge.cbor import encode
from edgekit.bridge.framing import WHOLE, Flags, Frame, encode_frame
from edgekit.bridge.host import Host, Samples, Scored
from edgekit.bridge.rows import RowMaker
from edgekit.bridge.writing import payload_of, type_of

MS = 1_000_000
U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
NUMBERS = st.floats(width=64) | st.integers(-(2**63), 2**64 - 1)
PERIODS = st.integers(0, 2**42)
SENSORS = st.builds(
    p.Sensor,
    st.sampled_from(["a", "b", "x\n\x1b[2J"]),
    st.just("m"),
    PERIODS,
    st.sampled_from(p.FORMATS),
    st.integers(1, 16),
    NUMBERS,
    NUMBERS,
)
DEVICES = st.builds(
    p.Device,
    U64,
    st.just("evil"),
    st.just("f"),
    st.just("1"),
    st.lists(SENSORS, max_size=3).map(tuple),
    st.lists(st.builds(p.Model, st.just("m"), st.binary(min_size=4, max_size=8)), max_size=2).map(
        tuple
    ),
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.binary(max_size=12) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=6) | st.dictionaries(st.integers(0, 11), inner, max_size=6)
    ),
    max_leaves=12,
)
PACKETS = st.one_of(
    st.builds(p.Heartbeat, U64, st.dictionaries(st.sampled_from(p.COUNTERS), U32)),
    st.builds(p.TimeAnswer, U64, U64, U64),
    st.builds(
        p.Data,
        st.integers(0, 4),
        U32,
        st.binary(min_size=1, max_size=200),
        st.none() | PERIODS | st.binary(max_size=200),
    ),
    st.builds(
        p.Scores,
        st.integers(0, 3),
        U32,
        st.lists(NUMBERS, min_size=1, max_size=4).map(tuple),
        st.just(True),
        st.none() | st.integers(0, 65535),
        st.none() | NUMBERS,
    ),
    st.builds(p.Log, st.integers(0, 3), U32, st.text(max_size=30)),
    st.builds(p.Response, st.integers(0, 65535), st.integers(-32768, 32767), ANYTHING),
)


@settings(max_examples=150)
@given(
    DEVICES,
    st.lists(
        st.one_of(
            PACKETS,
            st.tuples(st.integers(1, 10), ANYTHING),
            st.binary(min_size=1, max_size=120),
            st.tuples(st.just("answer"), U64, U64),
            st.tuples(st.just("samples"), st.integers(0, 2), st.integers(1, 9), U32, PERIODS),
            st.tuples(st.just("samples"), st.integers(0, 2), st.integers(1, 9), U32, st.none()),
        ),
        max_size=25,
    ),
)
def test_anything_that_a_device_may_say_in_a_session_is_survived(
    device: p.Device, told: list[object]
) -> None:
    now = [10**12]
    asked: list[int] = []

    def time_ns() -> int:
        asked.append(now[0] // 1000)
        return now[0]

    host = Host(nonce=7, baud=115_200, clock_ns=lambda: now[0], time_ns=time_ns)
    hello = payload_of(p.Hello(p.Session(nonce=5, heard=7, is_open=True), device))
    feed(host, Frame(1, WHOLE, 0, hello) if len(hello) < 500 else b"\0", now)
    names = [one.name if one.channels == 1 else f"{one.name}.0" for one in device.sensors]
    maker = RowMaker(names, device)
    for number, one in enumerate(told, 1):
        if isinstance(one, bytes):
            feed(host, one + b"\0", now)
            continue
        if isinstance(one, tuple) and one[0] == "answer":
            one = p.TimeAnswer(asked[-1] if asked else 0, one[1], one[2])
        elif isinstance(one, tuple) and one[0] == "samples" and device.sensors:
            _, place, count, low_us, timing = one
            place %= len(device.sensors)
            size = count * device.sensors[place].instant_bytes
            one = p.Data(place, low_us, bytes(range(256))[:1] * size, timing)
        elif isinstance(one, tuple) and one[0] == "samples":
            continue
        if isinstance(one, tuple):
            kind, payload = one[0], encode(one[1])
        else:
            kind, payload = type_of(one), payload_of(one)
        flags = WHOLE | (Flags.RELIABLE if number % 2 and kind in (6, 10) else Flags(0))
        if len(payload) < 500:
            feed(host, Frame(kind, flags, number, payload), now, maker)
    assert len(host._asked) <= 8


def feed(host: Host, what: Frame | bytes, now: list[int], maker: RowMaker | None = None) -> None:
    now[0] += 300 * MS
    wire = what if isinstance(what, bytes) else encode_frame(what)
    for found in (*host.feed(wire, now[0]), *host.tick(now[0])):
        if isinstance(found, Samples):
            assert len(found.taken_ns) == len(found.values)
            assert abs(int(found.taken_ns[0]) - now[0]) < 10**13
            if maker is not None:
                maker.push(found)
        if isinstance(found, Scored):
            assert abs(found.taken_ns - now[0]) < 10**13
    host.link.take()


def test_a_megabyte_of_anything_takes_a_few_kilobytes() -> None:
    rng = random.Random(3)
    host = Host(nonce=7)
    pieces = [rng.randbytes(4096) for _ in range(64)]
    pieces += [bytes(rng.choice(b"\0\1\2\xff") for _ in range(4096)) for _ in range(64)]
    for piece in pieces[:20]:
        list(host.feed(piece, 1))
    tracemalloc.start()
    for piece in pieces * 3:
        for _ in host.feed(piece, 1):
            pass
        host.link.take()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000
    assert host.link.counts.rx_errors > 1000
