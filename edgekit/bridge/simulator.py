"""A microcontroller that is not there: speaks the device's side of the protocol. No I/O."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.bridge import packets as p
from edgekit.bridge.happenings import Arrived, Happening, Opened
from edgekit.bridge.link import Link
from edgekit.bridge.noise import Noise
from edgekit.bridge.packets import Status

Signal = Callable[[Array, bool], Array]
"""Seconds float64 `[instants]`, and whether all is not well, to values `[instants, channels]`."""

_AROUND_SAMPLES = 24
"""Bytes of a DATA frame before COBS that are not samples, at most."""
_MOST_BEHIND_NS = 1_000_000_000
_SCORE_EVERY_NS = 1_000_000_000
_THRESHOLD = 1.0
_FLOOD_FRAMES = 200
_ANSWER_NS = 200_000_000
"""How long trouble waits until its command has been answered."""
_NEVER = 2**63


def vibration(seconds: Array, is_wrong: bool) -> Array:
    """A machine's shaking in m/s²: 25 Hz and its second harmonic; when wrong, 180 Hz."""
    shaking = np.sin(2 * np.pi * 25 * seconds) + 0.4 * np.sin(2 * np.pi * 50 * seconds)
    if is_wrong:
        shaking = shaking + 3.0 * np.sin(2 * np.pi * 180 * seconds)
    return shaking[:, None]


def warmth(seconds: Array, is_wrong: bool) -> Array:
    """A housing's temperature in °C, slowly up and down; hotter when something is wrong."""
    degrees = 40 + 2 * np.sin(2 * np.pi * seconds / 600) + (25 if is_wrong else 0)
    return degrees[:, None]


@dataclass(frozen=True)
class Simulated:
    """A sensor and what it would measure."""

    sensor: p.Sensor
    signal: Signal


SENSORS = (
    Simulated(p.Sensor("vibration", "m/s2", 2_500_000, "<i2", scale=0.001), vibration),
    Simulated(p.Sensor("temperature", "degC", 1_000_000_000, "<i2", scale=0.01), warmth),
)
_MODEL = p.Model("rms", bytes.fromhex("5ca1ab1e"), sensor=0)
"""What runs "on the device": the root mean square of a second against a threshold."""


class Simulator:
    """A device with sensors, a model, and commands that make trouble on request.

    Commands: `ping` (gives back its argument), `anomaly SECONDS`, `flood SECONDS` (as many frames
    as the pipe takes), `corrupt CHANCE` (of damage a byte; 0 ends it), `silence SECONDS`, `reboot`,
    and `unplug SECONDS`, which is left to whoever runs it, in `unplug_s`.

    Attributes:
        link: its end.
        sent_samples: instants that were put into DATA.
        unplug_s: for how long somebody should pull the plug now; 0 for not at all.
    """

    def __init__(
        self,
        sensors: Sequence[Simulated] = SENSORS,
        *,
        name: str = "simulated",
        offset_us: int = 0,
        drift_ppm: float = 0.0,
        batch_s: float = 0.05,
        has_model: bool = True,
        is_scoring_surely: bool = False,
        baud: int | None = None,
        max_frame: int = 508,
        noise: Noise | None = None,
        seed: int | None = None,
    ) -> None:
        """Prepares; it boots at the first `step`.

        Args:
            sensors: what it measures.
            name: what it calls itself.
            offset_us: what its clock says at boot.
            drift_ppm: by how many millionths its clock is too fast.
            batch_s: seconds of samples that go together, where a frame holds them.
            has_model: whether it sends scores of its first sensor, once a second.
            is_scoring_surely: whether it sends them until they are acknowledged.
            baud: of its line.
            max_frame: bytes of the longest frame that it takes.
            noise: what its line does to what it sends.
            seed: of its nonce.
        """
        self._all = list(sensors)
        self._name = name
        self._offset_us = offset_us
        self._speed = 1 + drift_ppm * 1e-6
        self._batch_ns = round(batch_s * 1e9)
        self._models = (_MODEL,) if has_model else ()
        self._is_scoring_surely = is_scoring_surely
        self._baud = baud
        self._max_frame = max_frame
        self._noise = noise or Noise()
        self._rng = random.Random(seed)
        self._boot_ns: int | None = None
        self._wrong_until_ns = self._flood_until_ns = 0
        self._silent_ns = (0, 0)
        self.sent_samples = 0
        self.unplug_s = 0.0
        self._boot(None)

    def _boot(self, now_ns: int | None) -> None:
        self._boot_ns = now_ns
        self._next_ns = [0] * len(self._all)  # of the device's clock: the next instant's
        self._score_ns = 0
        self._must_introduce = False
        self._reboot_ns = _NEVER
        self.link = Link(
            "device",
            nonce=self._rng.randrange(1, 2**32),
            introduce=self._introduction,
            clock_us=lambda now_ns: self._clock_ns(now_ns) // 1000,
            judge=self._judge,
            baud=self._baud,
            max_frame=self._max_frame,
            max_message=2048,
        )

    def step(self, data: bytes, now_ns: int) -> bytes:
        """Takes bytes from the line, does what is due, and gives bytes for the line."""
        if self._boot_ns is None or now_ns >= self._reboot_ns:
            self._boot(now_ns)
        for happening in (*self.link.feed(data, now_ns), *self.link.tick(now_ns)):
            self._follow(happening, now_ns)
        if self._must_introduce:
            self._must_introduce = False
            self.link.introduce(now_ns)
        is_silent = self._silent_ns[0] <= now_ns < self._silent_ns[1]
        if self.link.is_open and not is_silent:
            for number in range(len(self._all)):
                self._measure(number, now_ns)
            self._score(now_ns)
            if now_ns < self._flood_until_ns:
                for _ in range(_FLOOD_FRAMES):
                    self.link.send(p.Log(0, self._low_us(now_ns), "flood " * 40))
        sent = self.link.take()
        return b"" if is_silent else self._noise.damage(sent)

    def due_in_s(self, now_ns: int) -> float:
        """Seconds until `step` has to be called, whatever comes."""
        due = self.link.due_ns - now_ns
        if self.link.is_open:
            due = min(due, self._batch_ns // 2)
        return max(0.0, due / 1e9)

    @property
    def is_flooding(self) -> bool:
        """Whether it floods, or was about to when last looked at."""
        return self._flood_until_ns > 0

    def trouble(self, name: str, argument: Any, now_ns: int) -> tuple[int, Any]:
        """Follows a command; gives its status and value."""
        if name == "ping":
            return 0, argument
        if name == "reboot":
            self._reboot_ns = now_ns + _ANSWER_NS
            return 0, p.NOTHING
        if not isinstance(argument, int | float) or not 0 <= argument <= 3600:
            return 2, "needs a number from 0 to 3600"
        until_ns = now_ns + round(argument * 1e9)
        match name:
            case "anomaly":
                self._wrong_until_ns = until_ns
            case "flood":
                self._flood_until_ns = until_ns
            case "silence":
                self._silent_ns = (now_ns + _ANSWER_NS, until_ns + _ANSWER_NS)
            case "corrupt":
                self._noise = Noise.of_all_kinds(min(1.0, argument), self._rng)
            case "unplug":
                self.unplug_s = max(0.1, float(argument))
            case _:
                return 1, f"no command {name!r}"
        return 0, p.NOTHING

    def _clock_ns(self, now_ns: int) -> int:
        since_ns = now_ns - (self._boot_ns or 0)
        return self._offset_us * 1000 + round(since_ns * self._speed)

    def _low_us(self, now_ns: int) -> int:
        return (self._clock_ns(now_ns) // 1000) & 0xFFFFFFFF

    def _introduction(self, now_ns: int) -> p.Device:
        return p.Device(
            clock_us=self._clock_ns(now_ns) // 1000,
            name=self._name,
            firmware="edgekit-simulator",
            firmware_version="1",
            sensors=tuple(one.sensor for one in self._all),
            models=self._models,
        )

    def _judge(self, packet: p.Packet) -> Status:
        if isinstance(packet, p.Config):
            if any(number >= len(self._all) for number in packet.periods):
                return Status.UNKNOWN
            if packet.settings:
                return Status.UNKNOWN
        return Status.OK

    def _follow(self, happening: Happening, now_ns: int) -> None:
        match happening:
            case Opened():
                self._next_ns = [self._clock_ns(now_ns)] * len(self._all)
                self._score_ns = now_ns + _SCORE_EVERY_NS
                self.link.send(p.Log(1, self._low_us(now_ns), "hello, I am simulated"))
            case Arrived(p.TimeQuestion(t1_us)):
                clock_us = self._clock_ns(now_ns) // 1000
                self.link.send(p.TimeAnswer(t1_us, clock_us, clock_us))
            case Arrived(p.Command(number, name, argument)):
                status, value = self.trouble(name, argument, now_ns)
                self.link.send_surely(p.Response(number, status, value))
            case Arrived(p.Config(periods)):
                for number, period_ns in periods.items():
                    one = self._all[number]
                    sensor = replace(one.sensor, period_ns=period_ns)
                    self._all[number] = replace(one, sensor=sensor)
                    self._next_ns[number] = self._clock_ns(now_ns)
                self._must_introduce = True

    def _measure(self, number: int, now_ns: int) -> None:
        """Sends the samples that are due, once there are enough for a batch."""
        one = self._all[number]
        period_ns = one.sensor.period_ns
        if period_ns == 0:
            return
        clock_ns = self._clock_ns(now_ns)
        if clock_ns - self._next_ns[number] > _MOST_BEHIND_NS:  # its memory holds no more
            missed = (clock_ns - _MOST_BEHIND_NS - self._next_ns[number]) // period_ns
            self._next_ns[number] += missed * period_ns
        assert self.link.peer is not None, "the session is open"
        frame = min(508, self.link.peer.session.max_frame)
        most = max(1, (frame - _AROUND_SAMPLES) // one.sensor.instant_bytes)
        enough = max(1, min(most, self._batch_ns // period_ns))
        while True:
            ready = (clock_ns - self._next_ns[number]) // period_ns + 1
            if ready < enough:
                return
            count = min(ready, most)
            self._send_samples(number, one, count, now_ns)

    def _send_samples(self, number: int, one: Simulated, count: int, now_ns: int) -> None:
        sensor, first_ns = one.sensor, self._next_ns[number]
        seconds = (first_ns + np.arange(count) * sensor.period_ns) / 1e9
        values = one.signal(seconds, now_ns < self._wrong_until_ns)
        limits = np.iinfo(np.dtype(sensor.format))
        raw = np.rint((values - sensor.offset) / sensor.scale)
        samples = np.clip(raw, limits.min, limits.max).astype(sensor.format).tobytes()
        self._next_ns[number] += count * sensor.period_ns
        self.sent_samples += count
        self.link.send(p.Data(number, (first_ns // 1000) & 0xFFFFFFFF, samples))

    def _score(self, now_ns: int) -> None:
        if not self._models or now_ns < self._score_ns:
            return
        self._score_ns = now_ns + _SCORE_EVERY_NS
        seconds = self._clock_ns(now_ns) / 1e9 - np.arange(256) / 400
        values = self._all[0].signal(seconds, now_ns < self._wrong_until_ns)
        score = math.sqrt(float(np.mean(np.square(values))))
        scores = p.Scores(0, self._low_us(now_ns), (score,), threshold=_THRESHOLD, took_us=120)
        if self._is_scoring_surely:
            self.link.send_surely(scores)
        else:
            self.link.send(scores)
