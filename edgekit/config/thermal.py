"""The table of `edgekit.toml` that says how the board keeps cool."""

from typing import Annotated

import msgspec

from edgekit.config.table import Seconds, Table

_Celsius = Annotated[float, msgspec.Meta(ge=-40, le=150)]
_Factor = Annotated[float, msgspec.Meta(gt=0, le=1)]


class ThermalSettings(Table, frozen=True, kw_only=True):
    """From which temperature on the frame rate falls, and how far."""

    soft_c: _Celsius = 75.0
    hard_c: _Celsius = 85.0
    lowest: _Factor = 0.2
    when_held_back: _Factor = 0.6
    hysteresis_c: Annotated[float, msgspec.Meta(ge=0, le=50)] = 3.0
    hold_s: Seconds = 30.0

    def __post_init__(self) -> None:
        if self.soft_c >= self.hard_c:
            raise ValueError("soft_c must be below hard_c")
