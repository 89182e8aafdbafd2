"""What a device says of itself, in characters that a log can hold."""

from collections.abc import Sequence
from contextlib import suppress

from edgekit.bridge.packets import Device, Model, Sensor

_LONGEST = 300


def described(device: Device) -> str:
    """Its name, firmware, sensors and models in one line."""
    return (
        f"{shown(device.name)} runs {shown(device.firmware)} {shown(device.firmware_version)}; "
        f"sensors: {_listed(device.sensors)}; models: {_listed(device.models)}"
    )


def shown(text: str) -> str:
    """A device's text without control characters, and not for ever."""
    with suppress(UnicodeError):
        text = "".join(letter if letter.isprintable() else "�" for letter in text)
    return text[:_LONGEST]


def _listed(named: Sequence[Sensor | Model]) -> str:
    return ", ".join(shown(one.name) for one in named) or "none"
