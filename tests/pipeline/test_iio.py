"""Sensors under /sys, here a tree of files: found by name, scaled as the kernel says, on time."""

import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import Unavailable
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.iio import IioSource
from edgekit.pipeline.sources.schedule import Schedule
from edgekit.pipeline.sources.sysfs import ReadingFailed, find_channel, find_device

FAST_S = 0.001
SLOW_S = 3600.0


def add_device(root: Path, place: str, name: str, **files: object) -> Path:
    folder = root / place
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    for file, text in files.items():
        (folder / file).write_text(f"{text}\n")
    return folder


def add_iio(root: Path, number: int, name: str, **files: object) -> Path:
    return add_device(root, f"bus/iio/devices/iio:device{number}", name, **files)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    add_iio(
        tmp_path,
        0,
        "bme280",
        in_temp_input=23450,
        in_pressure_input=101.325,
        in_humidityrelative_input=45000,
    )
    add_iio(
        tmp_path,
        1,
        "adxl345",
        in_accel_x_raw=100,
        in_accel_y_raw=-100,
        in_accel_scale=0.038,
        in_accel_y_scale=0.5,
        in_temp_raw=10,
        in_temp_offset=-5,
        in_temp_scale=2,
        in_voltage0_raw=7,
        in_voltage_scale=3,
        sampling_frequency=100,
    )
    add_device(
        tmp_path, "class/hwmon/hwmon0", "cpu_thermal", temp1_input=48000, temp1_label="Core 0"
    )
    return tmp_path


def read(root: Path, device: str, channel: str) -> float:
    return find_channel(find_device(device, root=root), channel).read()


@pytest.mark.parametrize(
    ("device", "channel", "wanted"),
    [
        ("bme280", "in_temp", 23450),
        ("bme280", "pressure", 101.325),
        ("iio:device0", "humidityrelative", 45000),
        ("adxl345", "accel_x", 3.8),
        ("adxl345", "in_accel_y", -50),
        ("adxl345", "temp", 10),
        ("adxl345", "voltage0", 21),
        ("cpu_thermal", "temp1", 48000),
        ("hwmon0", "Core 0", 48000),
    ],
)
def test_a_reading_is_in_the_unit_of_the_kernels_abi(
    root: Path, device: str, channel: str, wanted: float
) -> None:
    assert read(root, device, channel) == pytest.approx(wanted)


def test_a_differential_channel_has_the_scale_of_its_type(root: Path) -> None:
    folder = add_iio(root, 2, "ads1115")
    (folder / "in_voltage0-voltage1_raw").write_text("4\n")
    (folder / "in_voltage-voltage_scale").write_text("0.5\n")
    assert read(root, "ads1115", "voltage0-voltage1") == 2


def test_a_device_may_be_named_by_its_path(root: Path) -> None:
    assert read(root, str(root / "bus/iio/devices/iio:device0"), "temp") == 23450


@pytest.mark.parametrize(
    ("device", "channel", "says"),
    [
        ("bmp180", "temp", "no sensor named 'bmp180'; there are: bme280 .iio:device0., adxl345"),
        ("/nowhere", "temp", "no sensor at /nowhere"),
        ("bme280", "co2", "no channel 'co2'; there are: in_humidityrelative, in_pressure, in_temp"),
        ("bme280", "../x", "cannot be a channel"),
    ],
)
def test_what_is_not_there_is_unavailable_and_what_is_there_is_said(
    root: Path, device: str, channel: str, says: str
) -> None:
    with pytest.raises(Unavailable, match=says):
        read(root, device, channel)


def test_two_devices_of_one_name_have_to_be_told_apart(root: Path) -> None:
    add_iio(root, 7, "bme280", in_temp_input=1)
    with pytest.raises(Unavailable, match=r"several sensors are named 'bme280': give the path"):
        find_device("bme280", root=root)
    assert read(root, "iio:device7", "temp") == 1


def test_a_sensor_that_reports_a_fault_gives_no_reading(root: Path) -> None:
    folder = add_device(root, "class/hwmon/hwmon1", "max31865", temp1_input=99, temp1_fault=0)
    channel = find_channel(folder, "temp1")
    assert channel.read() == 99
    (folder / "temp1_fault").write_text("1\n")
    with pytest.raises(ReadingFailed, match="reports a fault"):
        channel.read()


@settings(deadline=None, max_examples=150)
@given(
    st.binary(max_size=30) | st.floats().map(lambda number: repr(number).encode()),
    st.binary(max_size=12) | st.floats().map(lambda number: repr(number).encode()),
)
def test_whatever_a_file_says_is_a_finite_number_or_said_to_be_none(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, scale: bytes
) -> None:
    folder = add_iio(tmp_path_factory.mktemp("sys"), 0, "x")
    (folder / "in_temp_raw").write_bytes(raw)
    (folder / "in_temp_scale").write_bytes(scale)
    try:
        assert math.isfinite(find_channel(folder, "temp").read())
    except Unavailable as error:
        assert "\n" not in str(error)


def source(root: Path, *, interval_s: float = FAST_S, **more: Callable[[], int]) -> IioSource:
    return IioSource(
        "bme280", channels=("temp", "pressure"), interval_s=interval_s, root=root, **more
    )


def samples(items: list[Sample | Refusal]) -> list[list[float]]:
    return [list(item.data) for item in items if isinstance(item, Sample)]


def test_rows_are_what_the_files_say_at_each_reading(root: Path) -> None:
    temperature = root / "bus/iio/devices/iio:device0/in_temp_input"
    with source(root) as sensor:
        items = sensor.items()
        first = next(items)
        temperature.write_text("23500\n")
        assert samples([first]) == [[23450, 101.325]]
        rest = [next(items), next(items)]
    assert samples(rest)[-1] == [23500, 101.325]


def test_one_failed_reading_is_a_refusal_and_ten_in_a_row_break_the_source(root: Path) -> None:
    temperature = root / "bus/iio/devices/iio:device0/in_temp_input"
    now = [0]

    def clock() -> int:
        now[0] += 10
        return now[0]

    with IioSource(
        "bme280", channels=("temp",), interval_s=1e-6, root=root, clock_ns=clock
    ) as sensor:
        items = sensor.items()
        assert isinstance(next(items), Sample)
        temperature.write_text("\n")
        failed = next(items)
        assert isinstance(failed, Refusal)
        assert "in_temp_input: says '', not a number" in failed.reason
        temperature.write_text("1\n")
        assert isinstance(next(items), Sample)
        temperature.write_text("?\n")
        for _ in range(10):
            assert isinstance(next(items), Refusal)
        with pytest.raises(Unavailable, match="10 readings failed, the last:"):
            next(items)


def test_a_sensor_that_disappears_is_unavailable_and_found_again_under_another_number(
    root: Path,
) -> None:
    sensor = source(root)
    with sensor:
        items = sensor.items()
        next(items)
        shutil.rmtree(root / "bus/iio/devices/iio:device0")
        with pytest.raises(Unavailable, match="the sensor is gone"):
            list(items)
    with pytest.raises(Unavailable, match="no sensor named"), sensor:
        pass
    add_iio(root, 5, "bme280", in_temp_raw=3, in_temp_scale=10, in_pressure_input=2)
    with sensor:
        assert samples([next(sensor.items())]) == [[30, 2]]


def test_readings_that_were_missed_are_a_gap(root: Path) -> None:
    now = [0]
    with source(root, interval_s=1.0, clock_ns=lambda: now[0]) as sensor:
        items = sensor.items()
        assert isinstance(next(items), Sample)
        now[0] = 3_500_000_000
        gap = next(items)
        assert isinstance(gap, Refusal)
        assert "missed 2 readings" in gap.reason
        late = next(items)
        assert isinstance(late, Sample)


def test_stop_ends_it_while_it_waits(root: Path) -> None:
    with source(root, interval_s=SLOW_S) as sensor:
        first = threading.Event()

        def run() -> None:
            for _ in sensor.items():
                first.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert first.wait(20)
        sensor.stop()
        thread.join(20)
        assert not thread.is_alive()


@given(st.floats(0.001, 100), st.lists(st.floats(0, 5), max_size=50))
@settings(deadline=None)
def test_due_times_are_whole_intervals_from_the_start_whatever_the_delays(
    interval_s: float, delays: list[float]
) -> None:
    schedule = Schedule(interval_s, start_ns=1000)
    interval_ns = round(interval_s * 1e9)
    missed, now_ns = 0, 1000
    for taken, delay in enumerate(delays, 1):
        now_ns = max(now_ns, schedule.due_ns) + round(delay * interval_ns)
        missed += schedule.advance(now_ns)
        assert schedule.due_ns == 1000 + (taken + missed) * interval_ns
        assert schedule.due_ns > now_ns - interval_ns
