"""What a board says of its heat and power, from trees like those of real boards, and the policy."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.daemon.thermal import (
    ThermalPolicy,
    Throttling,
    read_temperature_c,
    read_throttling,
    throttling_in,
)


def zones(root: Path, **kinds: str) -> Path:
    for number, (kind, temperature) in enumerate(kinds.items()):
        zone = root / "sys/class/thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(kind.replace("_", "-") + "\n")
        (zone / "temp").write_text(temperature + "\n")
    return root


def hwmon(root: Path, **files: str) -> Path:
    chip = root / "sys/class/hwmon/hwmon0"
    chip.mkdir(parents=True)
    for name, text in files.items():
        (chip / name).write_text(text + "\n")
    return root


def firmware(root: Path, word: str) -> Path:
    file = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text(word + "\n")
    return root


def nobody() -> str | None:
    return None


def test_a_raspberry_pi_has_one_zone(tmp_path: Path) -> None:
    assert read_temperature_c(zones(tmp_path, cpu_thermal="48312")) == 48.312


def test_a_jetson_gives_its_hottest_processor_zone_and_not_the_pmics_constant(
    tmp_path: Path,
) -> None:
    nano = zones(
        tmp_path,
        AO_therm="61000",
        CPU_therm="42500",
        GPU_therm="44000",
        PLL_therm="41000",
        PMIC_Die="100000",
        thermal_fan_est="43000",
    )
    assert read_temperature_c(nano) == 44.0


def test_a_zone_of_a_part_that_is_off_or_mad_is_passed_over(tmp_path: Path) -> None:
    root = zones(tmp_path, cv0_thermal="", tj_thermal="51000", soc0_thermal="-274000")
    (root / "sys/class/thermal/thermal_zone0/temp").unlink()
    assert read_temperature_c(root) == 51.0


def test_an_unnamed_sensor_is_better_than_none_and_none_is_none(tmp_path: Path) -> None:
    assert read_temperature_c(zones(tmp_path, acpitz="35000")) == 35.0
    assert read_temperature_c(tmp_path / "nothing") is None


def test_the_firmwares_file_comes_before_the_command_and_the_command_before_the_alarm(
    tmp_path: Path,
) -> None:
    root = hwmon(tmp_path, name="rpi_volt", in0_lcrit_alarm="1")
    assert read_throttling(root, ask=nobody) == Throttling(under_voltage=True)
    assert read_throttling(root, ask=lambda: "throttled=0x4\n") == Throttling(throttled=True)
    firmware(root, "50005")
    assert read_throttling(root, ask=lambda: "throttled=0x4\n") == Throttling(
        under_voltage=True,
        throttled=True,
        under_voltage_occurred=True,
        throttled_occurred=True,
    )


def test_a_firmware_without_trouble_is_an_answer_too(tmp_path: Path) -> None:
    root = firmware(hwmon(tmp_path, name="rpi_volt", in0_lcrit_alarm="1"), "0")
    assert read_throttling(root, ask=nobody) == Throttling()


def test_a_board_that_does_not_say_gives_none(tmp_path: Path) -> None:
    root = hwmon(tmp_path, name="coretemp", in0_lcrit_alarm="1")
    assert read_throttling(root, ask=nobody) is None
    assert read_throttling(root, ask=lambda: "error=1") is None


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0, "under_voltage"),
        (1, "frequency_capped"),
        (2, "throttled"),
        (3, "soft_temperature_limit"),
        (16, "under_voltage_occurred"),
        (17, "frequency_capped_occurred"),
        (18, "throttled_occurred"),
        (19, "soft_temperature_limit_occurred"),
    ],
)
def test_each_bit_has_its_name(bit: int, name: str) -> None:
    assert throttling_in(f"throttled={1 << bit:#x}") == Throttling(**{name: True})


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20) | st.from_regex(r"throttled=0x[0-9a-f]{0,12}"))
def test_any_word_is_decoded_or_none(text: str) -> None:
    told = throttling_in(text)
    assert told is None or isinstance(told.throttled, bool)


@settings(max_examples=100, deadline=None)
@given(kind=st.binary(max_size=20), temperature=st.binary(max_size=20))
def test_any_zone_gives_a_believable_temperature_or_none(
    tmp_path_factory: pytest.TempPathFactory, kind: bytes, temperature: bytes
) -> None:
    zone = tmp_path_factory.mktemp("t") / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_bytes(kind)
    (zone / "temp").write_bytes(temperature)
    found = read_temperature_c(zone.parents[3])
    assert found is None or -60 <= found <= 200


def test_a_cool_board_works_at_full_rate_and_a_hot_one_falls_at_once() -> None:
    policy = ThermalPolicy(soft_c=70, hard_c=80, lowest=0.2, levels=4)
    assert policy.update(50, None, 0) == 1.0
    assert policy.update(70, None, 1) == 1.0
    assert policy.update(74, None, 2) == 0.6
    assert policy.update(95, None, 3) == 0.2


def test_it_rises_a_step_at_a_time_and_only_with_a_margin() -> None:
    policy = ThermalPolicy(soft_c=70, hard_c=80, lowest=0.2, levels=4, hysteresis_c=3, hold_s=30)
    assert policy.update(90, None, 0) == 0.2
    assert (
        policy.update(76, None, 10) == 0.2
    )  # within the margin of the step: the wait has not begun
    assert policy.update(50, None, 100) == 0.2
    assert policy.update(50, None, 129) == 0.2
    assert [policy.update(50, None, at) for at in (130, 160, 190, 220, 250)] == [
        0.4,
        0.6,
        0.8,
        1.0,
        1.0,
    ]


def test_a_temperature_that_swings_about_a_limit_does_not_make_the_rate_swing() -> None:
    policy = ThermalPolicy(soft_c=70, hard_c=80, hysteresis_c=3, hold_s=30)
    factors = [policy.update(73 if at % 2 else 71, None, at * 10.0) for at in range(100)]
    assert len(set(factors[1:])) == 1


def test_a_processor_that_is_held_back_works_less_whatever_the_temperature() -> None:
    policy = ThermalPolicy(when_held_back=0.6, hold_s=30)
    assert policy.update(40, Throttling(under_voltage=True), 0) == 0.6
    assert policy.update(40, Throttling(under_voltage_occurred=True), 1) == 0.6
    assert policy.update(40, Throttling(), 31) == 0.8
    assert policy.update(None, None, 61) == 1.0


def test_a_sensor_that_falls_silent_leaves_the_last_word() -> None:
    policy = ThermalPolicy(soft_c=70, hard_c=80, lowest=0.25)
    policy.update(85, None, 0)
    assert policy.update(None, None, 1000) == 0.25
    assert policy.update(float("nan"), None, 2000) == 0.25


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(allow_nan=True, allow_infinity=True),
            st.none() | st.builds(Throttling.from_word, st.integers(0, 2**20)),
            st.floats(0, 100),
        ),
        max_size=40,
    )
)
def test_the_factor_is_never_nought_and_rises_at_most_once_in_the_time_to_hold(
    readings: list[tuple[float | None, Throttling | None, float]],
) -> None:
    policy = ThermalPolicy(hold_s=30)
    now, before, rose_at = 0.0, 1.0, None
    for temperature, throttling, wait in readings:
        now += wait
        factor = policy.update(temperature, throttling, now)
        assert 0 < factor <= 1
        if factor > before:
            assert rose_at is None or now - rose_at >= 30
            rose_at = now
        before = factor


def test_limits_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="soft_c"):
        ThermalPolicy(soft_c=90, hard_c=80)
