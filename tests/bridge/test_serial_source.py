"""The serial source: rows of a simulated microcontroller behind a real pseudo-terminal."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.happenings import Introduced, Opened
from edgekit.bridge.host import Samples
from edgekit.bridge.listening import Gone
from edgekit.bridge.pipe import open_port
from edgekit.bridge.port import Port
from edgekit.bridge.pty_port import PtyPort
from edgekit.bridge.simulator import SENSORS, Simulated, Simulator
from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.serial import SerialSource
from tests.broker import need_program

MS = 1_000_000


def ramp(seconds: np.ndarray, is_wrong: bool) -> np.ndarray:
    """Two channels that say when they were taken, in ms of the device's clock."""
    return np.stack([seconds * 1000, -seconds * 1000], axis=1)


RAMP = Simulated(p.Sensor("ramp", "ms", 2 * MS, "<i4", 2, 0.001), ramp)


def quick() -> Iterator[float]:
    while True:
        yield 0.05


@pytest.fixture
def mcu(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(Simulator([RAMP, SENSORS[1]], offset_us=9_000_000), tmp_path / "mcu") as running:
        yield running


def first(source: SerialSource, count: int) -> list[Sample | Refusal]:
    return list(islice(source.items(), count))


def test_every_row_comes_in_order_at_the_time_it_was_taken(mcu: PtyPort) -> None:
    source = SerialSource(Port(str(mcu.path)), columns=("ramp.1", "ramp.0"))
    with source:
        rows = first(source, 600)
    assert all(isinstance(row, Sample) for row in rows)
    values = np.array([row.data for row in rows])
    assert np.allclose(np.diff(values[:, 1]), 2.0, atol=0.0011)
    assert np.array_equal(values[:, 0], -values[:, 1])
    steps = np.diff([row.taken_at_ns for row in rows]) / MS
    assert np.median(steps) == pytest.approx(2.0, abs=0.01)
    taken_ms = [row.taken_at_ms for row in rows]
    assert taken_ms == sorted(taken_ms)
    assert rows[0].origin == "simulated:1"


def test_two_pipelines_share_a_port_and_a_slow_sensor_joins_a_fast_one(mcu: PtyPort) -> None:
    port = Port(str(mcu.path))
    fast = SerialSource(port, columns=("ramp.0",))
    both = SerialSource(port, columns=("ramp.0", "temperature"))
    with fast, both:
        assert all(row.data.shape == (1,) for row in first(fast, 50))
        rows = first(both, 50)
    assert {row.data.shape for row in rows} == {(2,)}
    assert all(35 < row.data[1] < 45 for row in rows)


def test_a_column_that_the_device_lacks_breaks_the_source_with_its_name(mcu: PtyPort) -> None:
    source = SerialSource(Port(str(mcu.path)), columns=("speed",))
    with source, pytest.raises(Unavailable, match="simulated has no 'speed'; it has ramp.0 to .1"):
        first(source, 1)


def test_a_device_that_is_pulled_out_breaks_the_source_and_is_read_again(mcu: PtyPort) -> None:
    source = SerialSource(Port(str(mcu.path), backoff=quick), columns=("ramp.0", "ramp.1"))
    with source:
        first(source, 10)
        mcu.unplug()
        with pytest.raises(Unavailable):
            first(source, 10**6)
    with pytest.raises(Unavailable, match="nothing is plugged in"), source:
        pass
    mcu.plug()
    with source:
        assert all(isinstance(row, Sample) for row in first(source, 10))


def test_a_rate_is_asked_for_and_kept(mcu: PtyPort) -> None:
    source = SerialSource(Port(str(mcu.path)), columns=("ramp.0", "ramp.1"), rate_hz=50)
    with source:
        rows = first(source, 60)
    steps = [b.data[0] - a.data[0] for a, b in zip(rows[-20:], rows[-19:], strict=False)]
    assert np.allclose(steps, 20.0, atol=0.01)


class Still:
    """A port that nobody is at; samples are told by hand."""

    name = "still"
    dropped = 0

    def count_dropped(self, instants: int) -> None:
        self.dropped += instants


DEVICE = p.Device(0, "still", "f", "1", (p.Sensor("a", "", MS),))
HELLO = p.Hello(p.Session(nonce=1), DEVICE)
END = Gone("the end of a test", is_broken=True)


def batch(first_ms: int, values: list[float]) -> Samples:
    times = (np.arange(len(values), dtype=np.int64) + first_ms) * MS
    return Samples(0, DEVICE.sensors[0], times, np.array(values, float)[:, None])


def test_where_the_work_is_too_slow_the_oldest_are_dropped_counted_and_a_gap() -> None:
    port = Still()
    source = SerialSource(port, columns=("a",), capacity=100)
    source.hear(Opened(HELLO, is_new=True))
    for number in range(0, 10_000, 50):
        source.hear(batch(number, list(range(number, number + 50))))
    gap, *rows = first(source, 101)
    assert isinstance(gap, Refusal)
    assert "lost 9900 samples" in gap.reason
    assert port.dropped == 9900
    assert [row.data[0] for row in rows] == list(range(9900, 10_000))


def test_a_batch_longer_than_the_queue_is_read_all_the_same() -> None:
    source = SerialSource(Still(), columns=("a",), capacity=100)
    source.hear(Opened(HELLO, is_new=True))
    source.hear(batch(0, [1.0] * 489))
    source.hear(END)
    assert all(isinstance(one, Sample) for one in first(source, 489))


def test_columns_follow_a_device_whose_tables_change_in_mid_session() -> None:
    source = SerialSource(Still(), columns=("a",))
    source.hear(Opened(HELLO, is_new=True))
    source.hear(batch(0, [1.0]))
    other = p.Sensor("b", "", MS, channels=3)
    changed = p.Device(0, "still", "f", "1", (other, DEVICE.sensors[0]))
    source.hear(Introduced(p.Hello(p.Session(nonce=1), changed)))
    times = np.array([MS], np.int64)
    source.hear(Samples(0, other, times, np.full((1, 3), 9.0)))
    source.hear(Samples(1, DEVICE.sensors[0], times, np.full((1, 1), 2.0)))
    source.hear(END)
    found = first(source, 3)
    assert [one.data[0] for one in found if isinstance(one, Sample)] == [1.0, 2.0]
    assert sum(isinstance(one, Refusal) for one in found) == 1


def test_a_period_that_changes_makes_no_gap() -> None:
    source = SerialSource(Still(), columns=("a",))
    source.hear(Opened(HELLO, is_new=True))
    source.hear(batch(0, [1.0]))
    slower = replace(DEVICE, sensors=(replace(DEVICE.sensors[0], period_ns=5 * MS),))
    source.hear(Introduced(p.Hello(p.Session(nonce=1), slower)))
    source.hear(batch(5, [2.0]))
    source.hear(END)
    assert all(isinstance(one, Sample) for one in first(source, 2))


def test_gaps_on_the_line_are_told_once_however_many_come() -> None:
    source = SerialSource(Still(), columns=("a",))
    source.hear(Opened(HELLO, is_new=True))
    for _ in range(50_000):
        source.hear(Gone("still: 1 packets were lost on the line"))
    source.hear(batch(0, [1.0]))
    found = first(source, 2)
    assert [type(one) for one in found] == [Refusal, Sample]
    assert len(source._waiting) == 0


def test_stop_ends_a_source_that_waits(mcu: PtyPort) -> None:
    source = SerialSource(Port(str(mcu.path)), columns=("ramp.0", "ramp.1"), rate_hz=0.01)
    with source:
        reading = threading.Thread(target=lambda: list(source.items()))
        reading.start()
        source.stop()
        reading.join(10)
        assert not reading.is_alive()


def test_rows_come_through_a_pair_of_terminals_that_socat_joins(tmp_path: Path) -> None:
    need_program("socat", "socat")
    ends = tmp_path / "device", tmp_path / "board"
    socat = subprocess.Popen(
        [shutil.which("socat"), *(f"pty,raw,echo=0,link={end}" for end in ends)]
    )
    try:
        while not all(end.exists() for end in ends):
            assert socat.poll() is None
            threading.Event().wait(0.01)
        stop = threading.Event()
        device = threading.Thread(target=serve, args=(ends[0], stop))
        device.start()
        source = SerialSource(Port(str(ends[1])), columns=("ramp.0", "ramp.1"))
        with source:
            rows = first(source, 200)
        stop.set()
        device.join(10)
    finally:
        socat.terminate()
        socat.wait()
    assert np.allclose(np.diff([row.data[0] for row in rows]), 2.0, atol=0.0011)


def serve(path: Path, stop: threading.Event) -> None:
    """A simulated device at the other terminal."""
    import time

    simulator, pipe, data = Simulator([RAMP]), open_port(str(path)), b""
    while not stop.is_set():
        pipe.write(simulator.step(data, time.monotonic_ns()))
        data = pipe.read(0.01)
    pipe.close()
