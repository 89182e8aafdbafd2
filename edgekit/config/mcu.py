"""The tables of `edgekit.toml` about microcontrollers; `docs/bridge.md` explains each setting."""

from typing import Annotated, Literal

import msgspec

from edgekit.bundle.manifest import Task
from edgekit.config.sinks import Sink
from edgekit.config.table import Table
from edgekit.pipeline.rules.readings import Readable


class McuTable(Table, frozen=True, kw_only=True):
    """`[mcu.<name>]`: a microcontroller that may be commanded, and whose scores are events."""

    port: Annotated[str, msgspec.Meta(min_length=1)]
    baud: Annotated[int, msgspec.Meta(ge=1200, le=12_000_000)] = 115_200
    sinks: tuple[Sink, ...] = ()
    gives: Literal["score", "class", "values"] = "score"
    threshold: float | None = None

    @property
    def task(self) -> Task:
        """What its model does, in a bundle's words."""
        tasks: dict[str, Task] = {"score": "anomaly", "class": "classification", "values": "raw"}
        return tasks[self.gives]

    @property
    def readable(self) -> Readable:
        """What rules can read of its predictions."""
        kinds: dict[str, Literal["anomaly", "classes", "raw"]] = {
            "score": "anomaly",
            "class": "classes",
            "values": "raw",
        }
        return Readable(kinds[self.gives])
