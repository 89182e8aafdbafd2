"""Reads sensors that Linux shows as files: the industrial I/O subsystem (iio), and hwmon.

The kernel's `Documentation/ABI/testing/sysfs-bus-iio` and `Documentation/hwmon/sysfs-interface`
say what the files mean.
"""

import errno
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import Unavailable
from edgekit.pipeline.readings import number_in, shown

_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
_MOST_BYTES = 4096


class ReadingFailed(Unavailable):
    """A sensor is there but gave no reading this time; one line says why."""


@dataclass(frozen=True)
class Channel:
    """One reading of a device, in the unit of the kernel's ABI: (raw + offset) * scale.

    Attributes:
        name: as it was asked for.
        file: what to read.
        scale: what the reading is multiplied with.
        offset: what is added before that.
        fault: reads 1 while the sensor is broken or unplugged; hwmon has it for some.
    """

    name: str
    file: Path
    scale: float = 1.0
    offset: float = 0.0
    fault: Path | None = None

    def read(self) -> float:
        """The reading now.

        Raises:
            ReadingFailed: the device did not answer, or with what is no finite number.
            Unavailable: the device is gone.
        """
        if self.fault is not None and _number(self.fault) != 0:
            raise ReadingFailed(f"{self.fault}: the sensor reports a fault")
        value = (_number(self.file) + self.offset) * self.scale
        if not math.isfinite(value):
            raise ReadingFailed(f"{self.file}: with its scale and offset is not finite")
        return value


def find_device(device: str, *, root: Path = Path("/sys")) -> Path:
    """The folder of a device.

    Args:
        device: what its `name` file says (`bme280`), the name of its folder (`iio:device0`,
            `hwmon1`), or the path of the folder. An iio device goes before one of hwmon.
        root: where sysfs is.

    Raises:
        Unavailable: there is none, or there are several of that name.
    """
    if device.startswith("/"):
        if not Path(device).is_dir():
            raise Unavailable(f"no sensor at {device}")
        return Path(device)
    seen: list[str] = []
    for devices in ("bus/iio/devices", "class/hwmon"):
        named = []
        for folder in _folders(root / devices):
            name = _text_or_none(folder / "name")
            if device in (name, folder.name):
                named.append(folder)
            seen.append(f"{name} ({folder.name})" if name else folder.name)
        if len(named) > 1:
            paths = ", ".join(str(folder) for folder in named)
            raise Unavailable(
                f"several sensors are named {device!r}: give the path of one: {paths}"
            )
        if named:
            return named[0]
    raise Unavailable(f"no sensor named {device!r}; there are: {', '.join(seen) or 'none'}"[:400])


def find_channel(folder: Path, name: str) -> Channel:
    """A channel of a device.

    A scale or offset that channels share is found as the ABI has it: of the channel, of its
    type, without its number, without its axis.

    Args:
        folder: the device's.
        name: `in_accel_x` or `accel_x` of iio, `temp1` of hwmon, or what a `*_label` file says.

    Raises:
        Unavailable: the device has no such channel, or is gone.
    """
    if "/" in name:
        raise Unavailable(f"{name!r} cannot be a channel: it has a slash")
    names = [name, f"in_{name}"]
    names += [
        label.name.removesuffix("_label")
        for label in sorted(folder.glob("*_label"))
        if _text_or_none(label) == name
    ]
    for stem in names:
        fault = folder / f"{stem}_fault"
        processed, raw = folder / f"{stem}_input", folder / f"{stem}_raw"
        if processed.exists():
            return Channel(name, processed, fault=fault if fault.exists() else None)
        if raw.exists():
            scale = _shared(folder, stem, "scale", 1.0)
            return Channel(name, raw, scale, _shared(folder, stem, "offset", 0.0))
    files = sorted(file.name for pattern in ("*_raw", "*_input") for file in folder.glob(pattern))
    there = ", ".join(name.rpartition("_")[0] for name in files)[:300]
    raise Unavailable(f"{folder}: has no channel {name!r}; there are: {there or 'none'}")


def _shared(folder: Path, stem: str, what: str, default: float) -> float:
    for candidate in _stems(stem):
        file = folder / f"{candidate}_{what}"
        if file.exists():
            value = _number(file)
            if not math.isfinite(value):
                raise ReadingFailed(f"{file}: is not finite")
            return value
    return default


def _stems(stem: str) -> Iterator[str]:
    """`in_accel0_x`: itself, `in_accel_x`, `in_accel0`, `in_accel`, `in`."""
    words = stem.split("_")
    for count in range(len(words), 0, -1):
        shorter = "_".join(words[:count])
        yield shorter
        yield re.sub(r"\d+", "", shorter)


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(folder for folder in parent.iterdir() if folder.is_dir())
    except OSError:
        return []


def _text_or_none(file: Path) -> str | None:
    try:
        return _text(file)
    except Unavailable:
        return None


def _number(file: Path) -> float:
    text = _text(file)
    number = number_in(text)
    if number is None:
        raise ReadingFailed(f"{file}: says {shown(text)}, not a number")
    return number


def _text(file: Path) -> str:
    try:
        with file.open("rb", buffering=0) as opened:
            return (opened.read(_MOST_BYTES) or b"").decode("utf-8", "replace").strip()
    except OSError as error:
        if error.errno in _GONE or not file.parent.exists():
            raise Unavailable(f"{file}: the sensor is gone: {error.strerror}") from error
        raise ReadingFailed(f"{file}: cannot be read: {error.strerror}") from error
