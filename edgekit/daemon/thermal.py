"""How hot the board is, whether its power supply copes, and how much work that allows."""

import math
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# A zone of the processor or the whole chip, by what kernels of Raspberry Pi, Jetson, Rockchip,
# Allwinner, NXP and PCs call it.
_PROCESSOR = re.compile(r"cpu|soc|gpu|package|pkg|tj|core|bigcore|littlecore", re.IGNORECASE)
# Jetson's PMIC-Die says 100 degrees whatever happens; batteries and modems are not ours to cool.
_OTHER = re.compile(r"pmic|battery|bat$|charger|modem|wifi|iwlwifi|fan", re.IGNORECASE)
_BELIEVABLE_C = (-60.0, 200.0)
_FIRMWARE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_FIRMWARE_WORD = re.compile(r"(?:throttled=)?(?:0[xX])?([0-9a-fA-F]{1,8})")
_ASK_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Throttling:
    """What a Raspberry Pi's firmware says of its power and heat, now and since it was started.

    https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
    """

    under_voltage: bool = False
    frequency_capped: bool = False
    throttled: bool = False
    soft_temperature_limit: bool = False
    under_voltage_occurred: bool = False
    frequency_capped_occurred: bool = False
    throttled_occurred: bool = False
    soft_temperature_limit_occurred: bool = False

    @classmethod
    def from_word(cls, word: int) -> "Throttling":
        """Decodes the firmware's bits."""
        now = [bool(word >> bit & 1) for bit in range(4)]
        since_start = [bool(word >> bit & 1) for bit in range(16, 20)]
        return cls(*now, *since_start)

    @property
    def is_held_back(self) -> bool:
        """Whether the processor gets less than it wants now, by heat or by power."""
        return self.under_voltage or self.frequency_capped or self.throttled


def throttling_in(text: str) -> Throttling | None:
    """What a line of the firmware says: `throttled=0x50005`, or only `50005`; `None` if nothing."""
    found = _FIRMWARE_WORD.fullmatch(text.strip())
    return Throttling.from_word(int(found[1], 16)) if found else None


def read_temperature_c(root: Path = Path("/")) -> float | None:
    """The hottest of the processor's thermal zones, in degrees Celsius; `None` without any.

    A zone that cannot be read, as those of Jetson's parts that are switched off, is passed over.
    """
    zones = list(_zones(root))
    processor = [value for kind, value in zones if _PROCESSOR.search(kind)]
    others = [value for kind, value in zones if not _PROCESSOR.search(kind)]
    return max(processor or others, default=None)


def read_throttling(
    root: Path = Path("/"), *, ask: Callable[[], str | None] | None = None
) -> Throttling | None:
    """What the board says of its power and heat; `None` where it does not say.

    Asks, in this order, the firmware's file, the `vcgencmd` command, and the voltage alarm of the
    driver rpi_volt, which knows under-voltage alone.

    Args:
        root: where `/sys` is.
        ask: gives what `vcgencmd get_throttled` prints, or `None`.
    """
    told = throttling_in(_text(root / _FIRMWARE)) or throttling_in((ask or _ask_firmware)() or "")
    if told is not None:
        return told
    for chip in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        alarm = _text(chip / "in0_lcrit_alarm")
        if _text(chip / "name") == "rpi_volt" and alarm in ("0", "1"):
            return Throttling(under_voltage=alarm == "1")
    return None


@dataclass
class ThermalPolicy:
    """Says what part of its frame rate the board can afford, so that it stays below its limits.

    From `soft_c` to `hard_c` the rate falls in `levels` equal steps to `lowest`. A processor that
    is held back already gets at most `when_held_back`. The rate falls at once; it rises a step
    at a time, `hold_s` apart, and only once it is `hysteresis_c` cooler than the step needs, so
    that it does not flap.

    Attributes:
        factor: what `update` said last, in (0, 1].
    """

    soft_c: float = 75.0
    hard_c: float = 85.0
    lowest: float = 0.2
    when_held_back: float = 0.6
    hysteresis_c: float = 3.0
    hold_s: float = 30.0
    levels: int = 4
    factor: float = field(default=1.0, init=False)
    _level: int = field(default=0, init=False, repr=False)
    _steady_since_s: float | None = field(default=None, init=False, repr=False)
    _temperature_c: float | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if not (self.soft_c < self.hard_c and 0 < self.lowest <= 1 and self.levels >= 1):
            raise ValueError("soft_c must be below hard_c, lowest in (0, 1], levels at least 1")
        if not (0 < self.when_held_back <= 1 and self.hysteresis_c >= 0 and self.hold_s >= 0):
            raise ValueError("when_held_back must be in (0, 1], hysteresis_c and hold_s 0 or more")

    def update(
        self, temperature_c: float | None, throttling: Throttling | None, now_s: float
    ) -> float:
        """Takes a reading; gives the factor of the frame rate from now on.

        Args:
            temperature_c: the processor's; where it is `None` the last one stands.
            throttling: what the firmware says, where it says anything.
            now_s: by a clock that never goes back.
        """
        if temperature_c is not None and math.isfinite(temperature_c):
            self._temperature_c = temperature_c
        wanted = self._wanted(throttling, margin_c=0.0)
        if wanted >= self._level:
            self._level, self._steady_since_s = wanted, None
        elif self._wanted(throttling, margin_c=self.hysteresis_c) >= self._level:
            self._steady_since_s = None
        elif self._steady_since_s is None:
            self._steady_since_s = now_s
        elif now_s - self._steady_since_s >= self.hold_s:
            self._level, self._steady_since_s = self._level - 1, now_s
        self.factor = self._factor(self._level)
        return self.factor

    def _wanted(self, throttling: Throttling | None, *, margin_c: float) -> int:
        """The level that a reading asks for; 0 is full speed."""
        level = 0
        if self._temperature_c is not None:
            share = (self._temperature_c + margin_c - self.soft_c) / (self.hard_c - self.soft_c)
            level = math.ceil(min(1.0, max(0.0, share)) * self.levels)
        if throttling is not None and throttling.is_held_back:
            while level < self.levels and self._factor(level) > self.when_held_back:
                level += 1
        return level

    def _factor(self, level: int) -> float:
        return round(1.0 - (1.0 - self.lowest) * level / self.levels, 6)


def _zones(root: Path) -> Iterator[tuple[str, float]]:
    for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*")):
        kind = _text(zone / "type")
        try:
            temperature_c = int(_text(zone / "temp")[:12]) / 1000
        except ValueError:
            continue
        lowest, highest = _BELIEVABLE_C
        if lowest <= temperature_c <= highest and not _OTHER.search(kind):
            yield kind, temperature_c


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # drivers answer EAGAIN or EINVAL where a part is switched off
        return ""


def _ask_firmware() -> str | None:
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, "get_throttled"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
