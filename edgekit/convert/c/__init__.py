"""Writes INT8 models as portable C99 for microcontrollers: see `docs/mcu_models.md`."""

from edgekit.convert.c.export import Exported as Exported
from edgekit.convert.c.export import export_c as export_c
