"""Two ends of a link over a line that is only bytes and a clock that is only a number."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from edgekit.bridge import packets as p
from edgekit.bridge.happenings import Arrived, Happening
from edgekit.bridge.link import Link
from edgekit.bridge.noise import Noise

MS = 1_000_000
START_NS = 1_000_000_000_000
TABLES = p.Device(
    1,
    "pump-7",
    "vibration",
    "1.2.0",
    (p.Sensor("accel", "m/s2", 1_000_000, "<i2", 3, 0.0625), p.Sensor("temp", "degC", 10**9)),
    (p.Model("autoencoder", bytes(8)),),
)


@dataclass
class Wire:
    """A host and a device, and what happened to each."""

    host: Link
    device: Link
    to_host: Noise = field(default_factory=Noise)
    to_device: Noise = field(default_factory=Noise)
    at_host: list[Happening] = field(default_factory=list)
    at_device: list[Happening] = field(default_factory=list)
    now_ns: int = START_NS
    is_cut: bool = False

    def run(self, seconds: float, *, step_ms: float = 5, each: Callable[[], None] = lambda: None):
        """Lets time go by."""
        for _ in range(round(seconds * 1000 / step_ms)):
            self.now_ns += round(step_ms * MS)
            each()
            self.at_host += self.host.tick(self.now_ns)
            self.at_device += self.device.tick(self.now_ns)
            down = self.to_device.damage(self.host.take())
            up = self.to_host.damage(self.device.take())
            if not self.is_cut:
                self.at_device += self.device.feed(down, self.now_ns)
                self.at_host += self.host.feed(up, self.now_ns)

    def packets(self, happenings: Iterable[Happening], kind: type) -> list:
        return [
            one.packet
            for one in happenings
            if isinstance(one, Arrived) and isinstance(one.packet, kind)
        ]


def new_device(nonce: int = 0xC0FFEE, **more) -> Link:
    return Link("device", nonce=nonce, introduce=lambda now_ns: TABLES, max_message=2048, **more)


def new_wire(*, chance: float = 0.0, seed: int = 0, **more) -> Wire:
    """A line whose noise, where it has any, is of all kinds and both ways."""
    rng = random.Random(seed)
    return Wire(
        Link("host", nonce=7),
        new_device(**more),
        Noise.of_all_kinds(chance, rng),
        Noise.of_all_kinds(chance, rng),
    )


def opened(**more) -> Wire:
    """One whose session is open."""
    wire = new_wire(**more)
    wire.run(0.1)
    assert wire.host.is_open
    assert wire.device.is_open
    return wire
