"""The messages that a device and a board send each other: what `protocol.cddl` describes."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgekit.array import Array

LONGEST_MESSAGE = 16_384
"""Bytes of a joined payload that a host takes."""


class Type(enum.IntEnum):
    """What a frame's payload is."""

    HELLO = 1
    HEARTBEAT = 2
    TIME = 3
    ACK = 4
    DATA = 5
    PREDICTION = 6
    LOG = 7
    CONFIG = 8
    COMMAND = 9
    RESPONSE = 10


class Status(enum.IntEnum):
    """What an ACK says."""

    OK = 0
    BUSY = 1
    UNKNOWN = 2
    REFUSED = 3
    TOO_LONG = 4


@dataclass(frozen=True)
class Session:
    """What each end's HELLO says of the session.

    Attributes:
        version: the highest that it speaks.
        nonce: chosen at its start.
        heard: the other end's nonce; 0 where it has heard none.
        is_open: whether its side is open.
        max_frame: bytes of the longest frame that it takes.
        max_message: bytes of the longest joined payload that it takes.
    """

    nonce: int
    heard: int = 0
    is_open: bool = False
    max_frame: int = 508
    max_message: int = LONGEST_MESSAGE
    version: int = 1


Format = Literal["<i1", "<i2", "<i4", "<u1", "<u2", "<u4"]
FORMATS: tuple[Format, ...] = ("<i1", "<i2", "<i4", "<u1", "<u2", "<u4")
"""NumPy's names of the sample formats, by their numbers."""


@dataclass(frozen=True)
class Sensor:
    """What a device measures.

    Attributes:
        name: at most 32 bytes.
        unit: of `integer * scale + offset`.
        period_ns: from one instant to the next; 0 where it is irregular, or off.
        format: of its samples.
        channels: numbers an instant.
        scale: what a sample is multiplied with.
        offset: what is added after that.
    """

    name: str
    unit: str = ""
    period_ns: int = 0
    format: Format = "<i2"
    channels: int = 1
    scale: float = 1.0
    offset: float = 0.0

    @property
    def instant_bytes(self) -> int:
        """Bytes of one instant."""
        return int(self.format[2]) * self.channels


@dataclass(frozen=True)
class Model:
    """A model that runs on a device.

    Attributes:
        name: at most 32 bytes.
        digest: the first bytes of the SHA-256 of its file.
        sensor: the number of the sensor that it reads.
    """

    name: str
    digest: bytes
    sensor: int | None = None


@dataclass(frozen=True)
class Device:
    """What a device's HELLO says of itself.

    Attributes:
        clock_us: its clock when the HELLO was written.
        name: letters, digits, `.`, `_` and `-`.
        firmware: what it runs.
        firmware_version: and which.
        sensors: at most 16; their numbers are their places.
        models: at most 8.
    """

    clock_us: int
    name: str
    firmware: str
    firmware_version: str
    sensors: tuple[Sensor, ...] = ()
    models: tuple[Model, ...] = ()


@dataclass(frozen=True)
class Hello:
    """HELLO; a host's has no device."""

    session: Session
    device: Device | None = None


COUNTERS = (
    "rx_frames",
    "rx_errors",
    "rx_dropped",
    "tx_frames",
    "tx_dropped",
    "tx_repeats",
    "rx_high_water",
)


@dataclass(frozen=True)
class Heartbeat:
    """HEARTBEAT: the sender's clock, and its counters by the names in `COUNTERS`."""

    clock_us: int
    counters: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TimeQuestion:
    """TIME from a host: its own time, and the offset of the device's clock where it is known."""

    t1_us: int
    offset_us: int | None = None


@dataclass(frozen=True)
class TimeAnswer:
    """TIME from a device: the question's time, when it had come, and when this answer left."""

    t1_us: int
    t2_us: int
    t3_us: int


@dataclass(frozen=True)
class Ack:
    """ACK; statuses that nobody knows mean `REFUSED`."""

    status: Status


@dataclass(frozen=True)
class Data:
    """DATA: samples of one sensor, not looked into yet.

    Attributes:
        sensor: its number.
        time_us: when the first instant was taken: the low 32 bits of the device's clock.
        samples: integers in the sensor's format, its channels interleaved.
        timing: nanoseconds from one instant to the next, or u32 microseconds each; `None` for the
            sensor's own period.
    """

    sensor: int
    time_us: int
    samples: bytes = field(repr=False)
    timing: int | bytes | None = None


@dataclass(frozen=True)
class Batch:
    """What a `Data` packet says, by its sensor's table.

    Attributes:
        sensor: its number.
        values: float64 `[instants, channels]`, in the sensor's unit.
        after_ns: int64 `[instants]`: how long after the first instant each was taken.
    """

    sensor: int
    values: Array
    after_ns: Array


@dataclass(frozen=True)
class Scores:
    """PREDICTION: what a model on a device said.

    Attributes:
        model: its number.
        time_us: of the newest sample it saw: the low 32 bits of the device's clock.
        scores: none to 64.
        is_list: whether they came as a list; one score alone does not.
        class_id: the class, where there is one.
        threshold: above which a score is unusual, where the device knows.
        took_us: how long the model ran.
    """

    model: int
    time_us: int
    scores: tuple[float, ...] = ()
    is_list: bool = False
    class_id: int | None = None
    threshold: float | None = None
    took_us: int | None = None


@dataclass(frozen=True)
class Log:
    """LOG: a line of text; level 0 is debug, 1 info, 2 warning, 3 error."""

    level: int
    time_us: int
    text: str


Setting = bool | int | float | str


@dataclass(frozen=True)
class Config:
    """CONFIG: sensors' periods in nanoseconds by their numbers (0 is off), and settings."""

    periods: Mapping[int, int] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)


NOTHING = object()
"""Stands for an argument or value that is not there; `None` is one that is null."""


@dataclass(frozen=True)
class Command:
    """COMMAND; the argument is any item of the subset."""

    id: int
    name: str
    argument: Any = NOTHING


@dataclass(frozen=True)
class Response:
    """RESPONSE: what became of a command; 0 is success."""

    id: int
    status: int
    value: Any = NOTHING


@dataclass(frozen=True)
class Application:
    """A packet of a type that applications may use, 128 to 255."""

    type: int
    value: Any


Packet = (
    Hello
    | Heartbeat
    | TimeQuestion
    | TimeAnswer
    | Ack
    | Data
    | Scores
    | Log
    | Config
    | Command
    | Response
    | Application
)
