"""Energy, from sensors that are files of a fake `/sys`."""

import threading
from pathlib import Path

import pytest

from edgekit.bench.energy import CounterMeter, PowerMeter, find_meter


def put(path: Path, text: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")
    return path


def rapl(root: Path, uj: int = 5_000_000) -> Path:
    zone = root / "sys/class/powercap/intel-rapl:0"
    put(zone / "name", "package-0")
    put(zone / "energy_uj", uj)
    put(zone / "max_energy_range_uj", 10_000_000)
    put(root / "sys/class/powercap/intel-rapl:0:0/energy_uj", 1)
    put(root / "sys/class/powercap/intel-rapl:1/name", "psys")
    put(root / "sys/class/powercap/intel-rapl:1/energy_uj", 7)
    return zone


def test_counted_energy_begins_again_where_the_counter_does(tmp_path: Path) -> None:
    zone = rapl(tmp_path, 9_000_000)
    meter = find_meter(tmp_path)
    assert isinstance(meter, CounterMeter)
    assert meter.source == "RAPL: package-0"
    with meter:
        put(zone / "energy_uj", 1_500_000)
    assert meter.joules == pytest.approx(2.5)


def test_the_rail_that_feeds_the_board_is_the_one_that_counts(tmp_path: Path) -> None:
    chip = tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
    for number, (name, mw) in enumerate([("VDD_GPU", 900), ("POM_5V_IN", 4000)]):
        put(chip / f"rail_name_{number}", name)
        put(chip / f"in_power{number}_input", mw)
    meter = find_meter(tmp_path)
    assert isinstance(meter, PowerMeter)
    assert meter.source == "power monitor: POM_5V_IN"


def test_power_is_added_up_over_time(tmp_path: Path) -> None:
    chip = tmp_path / "sys/class/hwmon/hwmon3"
    put(chip / "name", "ina3221")
    put(chip / "in1_label", "VDD_IN")
    put(chip / "in1_input", 5000)
    put(chip / "curr1_input", 2000)
    meter = find_meter(tmp_path)
    assert isinstance(meter, PowerMeter)
    seconds = iter(range(1_000_000))
    read_often = threading.Event()

    def clock_s() -> float:
        now = next(seconds)
        if now > 5:
            read_often.set()
        return float(now)

    meter = PowerMeter(meter._rails, interval_s=0.001, clock_s=clock_s)
    with meter:
        assert read_often.wait(10)
    lasted_s = next(seconds) - 1
    assert meter.joules == pytest.approx(10.0 * lasted_s)


@pytest.mark.parametrize("text", ["", "rubbish", "nan is no"])
def test_a_sensor_that_says_nothing_is_none(tmp_path: Path, text: str) -> None:
    put(tmp_path / "sys/class/powercap/intel-rapl:0/energy_uj", text)
    put(tmp_path / "sys/class/hwmon/hwmon0/power1_input", text)
    assert find_meter(tmp_path) is None
