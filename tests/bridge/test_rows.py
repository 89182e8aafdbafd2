import numpy as np
import pytest

from edgekit.bridge.host import Samples
from edgekit.bridge.packets import Device, Sensor
from edgekit.bridge.rows import Channel, RowMaker, find_channel
from edgekit.errors import Unavailable

MS = 1_000_000
FAST = Sensor("accel", "g", 10 * MS, channels=2)
SLOW = Sensor("temp", "degC", 50 * MS)
SET = Sensor("valve.open", "", 0)
DEVICE = Device(0, "pump", "f", "1", (FAST, SLOW, SET))


def samples(number: int, first_ms: float, values: list) -> Samples:
    sensor = DEVICE.sensors[number]
    found = np.array(values, float).reshape(-1, sensor.channels)
    step = sensor.period_ns or MS
    times = np.int64(first_ms * MS) + np.arange(len(found), dtype=np.int64) * step
    return Samples(number, sensor, times, found)


def test_a_column_is_a_sensor_or_one_of_its_channels() -> None:
    assert find_channel("temp", DEVICE.sensors) == Channel(1, 0)
    assert find_channel("accel.1", DEVICE.sensors) == Channel(0, 1)
    assert find_channel("valve.open", DEVICE.sensors) == Channel(2, 0)
    assert find_channel("accel", DEVICE.sensors) is None
    assert find_channel("accel.2", DEVICE.sensors) is None


def test_a_column_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(Unavailable, match=r"no 'speed'; it has accel.0 to .1, temp, valve.open"):
        RowMaker(["speed"], DEVICE)


def test_the_rows_of_one_sensor_come_at_once_in_the_columns_order() -> None:
    maker = RowMaker(["accel.1", "accel.0"], DEVICE)
    rows = maker.push(samples(0, 5, [[1, 2], [3, 4]]))
    assert rows.values.tolist() == [[2, 1], [4, 3]]
    assert rows.taken_ns.tolist() == [5 * MS, 15 * MS]
    assert maker.push(samples(1, 5, [20])) is None


def test_a_row_has_the_newest_slow_sample_that_is_not_newer() -> None:
    maker = RowMaker(["accel.0", "temp"], DEVICE)
    assert maker.push(samples(0, 0, [[n, 0] for n in range(12)])) is None
    rows = maker.push(samples(1, 0, [20, 21]))
    assert rows.values[:, 0].tolist() == list(range(10))  # later ones may get a newer one still
    assert rows.values[:, 1].tolist() == [20] * 5 + [21] * 5
    rows = maker.push(samples(1, 100, [22]))
    assert rows.values.tolist() == [[10, 22], [11, 22]]


def test_rows_from_before_the_first_slow_sample_are_no_gap() -> None:
    maker = RowMaker(["accel.0", "temp"], DEVICE)
    maker.push(samples(0, 0, [[n, 0] for n in range(10)]))
    rows = maker.push(samples(1, 50, [20]))
    assert rows.values[:, 0].tolist() == [5, 6, 7, 8, 9]
    assert not rows.is_after_gap


def test_a_slow_sensor_that_was_missing_for_long_is_a_gap() -> None:
    maker = RowMaker(["accel.0", "temp"], DEVICE)
    maker.push(samples(1, 0, [20]))
    assert len(maker.push(samples(0, 0, [[n, 0] for n in range(5)])).values) == 5
    maker.push(samples(0, 50, [[n, 0] for n in range(5, 40)]))
    rows = maker.push(samples(1, 300, [26]))
    assert rows.is_after_gap
    assert rows.values[0].tolist() == [30, 26]


def test_a_sensor_without_a_period_holds_its_value() -> None:
    maker = RowMaker(["temp", "valve.open"], DEVICE)
    maker.push(samples(2, 0, [1]))
    assert maker.push(samples(1, 10, [20, 21])).values.tolist() == [[20, 1], [21, 1]]
    maker.push(samples(2, 110, [0]))
    assert maker.push(samples(1, 110, [22])).values.tolist() == [[22, 0]]


def test_samples_whose_fellows_never_come_take_no_memory() -> None:
    maker = RowMaker(["accel.0", "temp"], DEVICE)
    for n in range(100):
        maker.push(samples(0, n * 5000, [[0, 0]] * 500))
    assert sum(len(times) for times in maker._times.values()) <= 20_000
