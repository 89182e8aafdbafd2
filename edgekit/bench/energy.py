"""Reads how much energy the board uses, where a sensor says so."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

_BOARD_RAILS = ("VDD_IN", "POM_5V_IN")
"""What Jetson's boards call the rail that everything else hangs on."""
_INTERVAL_S = 0.02


class Meter(Protocol):
    """Measures energy from entering to leaving."""

    @property
    def source(self) -> str:
        """What is measured, for people."""

    @property
    def joules(self) -> float:
        """The energy between entering and leaving."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def find_meter(root: Path = Path("/")) -> Meter | None:
    """The best sensor that can be read: RAPL's counters, else power monitors; `None` without any.

    Args:
        root: where `/sys` is.
    """
    zones = tuple(_rapl_zones(root / "sys/class/powercap"))
    if zones:
        return CounterMeter(zones)
    rails = [*_ina_rails(root / "sys/bus/i2c"), *_hwmon_rails(root / "sys/class/hwmon")]
    whole = [rail for rail in rails if rail.label in _BOARD_RAILS]
    if whole or rails:
        return PowerMeter(whole[:1] or rails)
    return None


@dataclass(frozen=True)
class Zone:
    """One of RAPL's counters of microjoules, which begins again at `wraps_uj`."""

    name: str
    path: Path
    wraps_uj: int

    def read_uj(self) -> int:
        """What it counts now."""
        return int(self.path.read_text())


@dataclass
class CounterMeter:
    """Counters of the processor's own energy. Needs permission: since 2020 only root reads them."""

    zones: Sequence[Zone]
    joules: float = field(default=0.0, init=False)
    _began: list[int] = field(default_factory=list, init=False, repr=False)

    @property
    def source(self) -> str:
        """Which zones are counted."""
        return f"RAPL: {', '.join(zone.name for zone in self.zones)}"

    def __enter__(self) -> Self:
        self._began = [zone.read_uj() for zone in self.zones]
        return self

    def __exit__(self, *_: object) -> None:
        grown = 0
        for zone, before in zip(self.zones, self._began, strict=True):
            difference = zone.read_uj() - before
            grown += difference if difference >= 0 else difference + zone.wraps_uj
        self.joules = grown / 1e6


@dataclass(frozen=True)
class Rail:
    """A power monitor's reading: power itself, or voltage and current."""

    label: str
    files: tuple[Path, ...]
    scale_w: float
    """What the product of the files' numbers is multiplied with to be watts."""

    def read_w(self) -> float | None:
        """The power now."""
        product = self.scale_w
        for path in self.files:
            number = _number(path)
            if number is None:
                return None
            product *= number
        return product


class PowerMeter:
    """Reads power over and over on a thread of its own, and adds it up."""

    def __init__(
        self,
        rails: Sequence[Rail],
        *,
        interval_s: float = _INTERVAL_S,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rails = rails
        self._interval_s = interval_s
        self._clock_s = clock_s
        self._done = threading.Event()
        self._readings: list[tuple[float, float]] = []
        self._thread: threading.Thread | None = None

    @property
    def source(self) -> str:
        """Which rails are read."""
        return f"power monitor: {', '.join(rail.label for rail in self._rails)}"

    @property
    def joules(self) -> float:
        """The energy between entering and leaving, by the trapezoidal rule."""
        return sum(
            (later_s - then_s) * (power_w + later_w) / 2
            for (then_s, power_w), (later_s, later_w) in zip(
                self._readings, self._readings[1:], strict=False
            )
        )

    def __enter__(self) -> Self:
        self._readings = []
        self._done.clear()
        self._read()
        self._thread = threading.Thread(target=self._keep_reading, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()
        self._read()

    def _keep_reading(self) -> None:
        while not self._done.wait(self._interval_s):
            self._read()

    def _read(self) -> None:
        powers = [power for rail in self._rails if (power := rail.read_w()) is not None]
        if powers:
            self._readings.append((self._clock_s(), sum(powers)))


def _rapl_zones(folder: Path) -> list[Zone]:
    """The packages' zones; `psys` counts them once more, so it is for want of others only."""
    found = []
    for path in sorted(folder.glob("*-rapl:*")):
        if path.name.count(":") != 1:
            continue
        counted, wraps = _number(path / "energy_uj"), _number(path / "max_energy_range_uj")
        if counted is not None:
            name = _text(path / "name") or path.name
            found.append(Zone(name, path / "energy_uj", int(wraps or 0)))
    return [zone for zone in found if zone.name != "psys"] or found


def _ina_rails(folder: Path) -> list[Rail]:
    """Jetson's INA3221, by its older driver: milliwatts, with the rails' names beside them."""
    found = []
    for path in sorted(folder.glob("**/in_power*_input")):
        match = re.fullmatch(r"in_power(\d+)_input", path.name)
        if match is not None and _number(path) is not None:
            label = _text(path.with_name(f"rail_name_{match[1]}")) or path.parent.name
            found.append(Rail(label, (path,), 1e-3))
    return found


def _hwmon_rails(folder: Path) -> list[Rail]:
    """Monitors that give microwatts, or millivolts and milliamperes of a rail with a name."""
    found = []
    for chip in sorted(folder.glob("hwmon*")):
        for path in sorted(chip.glob("power*_input")):
            if _number(path) is not None:
                label = _text(path.with_name(path.name.replace("_input", "_label")))
                found.append(Rail(label or _text(chip / "name") or chip.name, (path,), 1e-6))
        for path in sorted(chip.glob("curr*_input")):
            number = path.name.removeprefix("curr").removesuffix("_input")
            voltage, label = chip / f"in{number}_input", _text(chip / f"in{number}_label")
            if label and _number(path) is not None and _number(voltage) is not None:
                found.append(Rail(label, (voltage, path), 1e-6))
    return found


def _number(path: Path) -> float | None:
    try:
        return float(_text(path))
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # not ours to read, or the sensor is switched off
        return ""
