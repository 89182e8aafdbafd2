"""What goes over a line, as people and programs like to read it. No I/O."""

import dataclasses
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edgekit.bridge import packets as p
from edgekit.bridge.cbor import Malformed
from edgekit.bridge.framing import Damage, Frame, FrameReader
from edgekit.bridge.happenings import Arrived, Closed, Introduced, Opened
from edgekit.bridge.host import Drifting, Host, HostHappening, Misfit, Samples, Scored
from edgekit.bridge.reading import read_packet
from edgekit.bridge.writing import type_of

_LONGEST_LINE = 300


@dataclass(frozen=True)
class Seen:
    """One thing that was seen on the line.

    Attributes:
        kind: `data`, `prediction`, `log`, `damage`, `opened`, ...
        fields: what there is to say of it, in JSON's terms.
        is_trouble: whether something went wrong.
    """

    kind: str
    fields: dict[str, Any]
    is_trouble: bool = False

    def line(self) -> str:
        """One line for people."""
        there = {name: value for name, value in self.fields.items() if value is not None}
        said = "  ".join(f"{name} {_short(value)}" for name, value in there.items())
        text = f"{'!' if self.is_trouble else ' '} {self.kind:<10} {said}"
        return "".join(c if c.isprintable() else "�" for c in text)[:_LONGEST_LINE]

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        return {"kind": self.kind, **_plain(self.fields)}


class Monitor:
    """Watches a line, as a host that speaks, or as an ear that only listens."""

    def __init__(self, *, baud: int = 115_200, speaks: bool = True) -> None:
        """Has seen nothing yet.

        Args:
            baud: of the line.
            speaks: whether it opens a session; else it reads frames, of whichever side.
        """
        self._host = Host(nonce=secrets.randbelow(2**32 - 1) + 1, baud=baud)
        self._speaks = speaks
        self._reader = FrameReader()
        self._started_ns: int | None = None
        self._now_ns = 0

    def step(self, data: bytes, now_ns: int) -> Iterator[Seen]:
        """What bytes bring that came just now."""
        self._now_ns = now_ns
        if self._started_ns is None:
            self._started_ns = now_ns
        if not self._speaks:
            yield from self._overhear(data)
            return
        for happening in (*self._host.feed(data, now_ns), *self._host.tick(now_ns)):
            if (seen := _seen(happening, now_ns)) is not None:
                yield seen

    def take(self) -> bytes:
        """What has to go onto the line."""
        return self._host.link.take() if self._speaks else b""

    def wait_s(self, now_ns: int) -> float:
        """Seconds until `step` has to be called."""
        return max(0.0, (self._host.due_ns - now_ns) / 1e9) if self._speaks else 1.0

    def counts(self) -> dict[str, Any]:
        """The counts of the link, and the clock."""
        clock = self._host.clock
        return {
            **dataclasses.asdict(self._host.link.counts),
            "offset_us": clock.offset_us,
            "rtt_us": clock.rtt_us,
            "drift_ppm": clock.drift_ppm,
        }

    def summary(self) -> str:
        """The counts in one line."""
        return ", ".join(self.panel())

    def panel(self) -> list[str]:
        """The counts in a few short lines."""
        counts, clock = self._host.link.counts, self._host.clock
        seconds = max(1e-9, (self._now_ns - (self._started_ns or self._now_ns)) / 1e9)
        lines = [
            f"{counts.rx_frames} frames, {counts.rx_bytes} bytes, "
            f"{counts.rx_bytes / seconds:,.0f} bytes/s",
            f"{counts.rx_errors} damaged ({counts.rx_crc} crc, {counts.rx_cobs} cobs, "
            f"{counts.rx_length} length), {counts.rx_lost} lost, {counts.rx_dropped} of no use",
        ]
        if clock.rtt_us is not None:
            drift = "" if clock.drift_ppm is None else f", drift {clock.drift_ppm:+.1f} ppm"
            lines.append(f"clock: round trip {clock.rtt_us / 1000:.2f} ms{drift}")
        if (device := self._host.device) is not None:
            lines.append(f"{device.name} runs {device.firmware} {device.firmware_version}")
        else:
            lines.append("no session" if self._speaks else "listening")
        return lines

    def _overhear(self, data: bytes) -> Iterator[Seen]:
        counts = self._host.link.counts
        counts.rx_bytes += len(data)
        for found in self._reader.feed(data):
            if isinstance(found, Frame):
                counts.rx_frames += 1
                yield _seen_frame(found)
            else:
                if found.fault in ("cobs", "length", "crc"):
                    name = f"rx_{found.fault}"
                    setattr(counts, name, getattr(counts, name) + 1)
                yield Seen("damage", {"fault": found.fault}, is_trouble=True)


def _seen_frame(frame: Frame) -> Seen:
    fields: dict[str, Any] = {"seq": frame.seq, "flags": int(frame.flags)}
    try:
        packet = read_packet(frame.type, frame.payload)
    except (KeyError, Malformed):  # a chunk, or of no use: shown as it is
        return Seen(f"type {frame.type}", {**fields, "bytes": frame.payload.hex()})
    return Seen(_kind(frame.type), {**fields, **_fields(packet)})


def _seen(happening: HostHappening, now_ns: int) -> Seen | None:
    match happening:
        case Opened(hello) | Introduced(hello):
            device = hello.device
            assert device is not None
            return Seen(
                "opened" if isinstance(happening, Opened) else "hello",
                {
                    "device": device.name,
                    "firmware": f"{device.firmware} {device.firmware_version}",
                    "sensors": [one.name for one in device.sensors],
                    "models": [one.name for one in device.models],
                },
            )
        case Closed(reason):
            return Seen("closed", {"reason": reason}, is_trouble=True)
        case Damage(fault):
            return Seen("damage", {"fault": fault}, is_trouble=True)
        case Misfit(reason):
            return Seen("misfit", {"reason": reason}, is_trouble=True)
        case Drifting(ppm):
            return Seen("drift", {"ppm": round(ppm, 1)}, is_trouble=True)
        case Samples():
            last = happening.values[-1]
            return Seen(
                "data",
                {
                    "sensor": happening.sensor.name,
                    "samples": len(happening.values),
                    "last": [round(float(one), 6) for one in last],
                    "unit": happening.sensor.unit,
                    "age_ms": round((now_ns - int(happening.taken_ns[-1])) / 1e6, 2),
                },
            )
        case Scored():
            scores = happening.scores
            return Seen(
                "prediction",
                {
                    "model": happening.model.name,
                    "scores": [float(one) for one in scores.scores],
                    "class": scores.class_id,
                    "threshold": scores.threshold,
                    "age_ms": round((now_ns - happening.taken_ns) / 1e6, 2),
                },
            )
        case Arrived(packet) if not isinstance(packet, p.Data | p.Scores):
            return Seen(_kind(type_of(packet)), _fields(packet))
    return None


def _fields(packet: p.Packet) -> dict[str, Any]:
    told = {one.name: getattr(packet, one.name) for one in dataclasses.fields(packet)}
    return {
        name: dataclasses.asdict(one) if isinstance(one, p.Session | p.Device) else one
        for name, one in told.items()
        if one is not p.NOTHING
    }


def _kind(number: int) -> str:
    return p.Type(number).name.lower() if number in list(p.Type) else f"type {number}"


def _short(value: Any) -> str:
    if isinstance(value, p.Status):
        return value.name
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.hex()[:40]
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_short(one) for one in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_short(one)}" for key, one in value.items()) + "}"
    return str(value)


def _plain(value: Any) -> Any:
    """What JSON can say."""
    match value:
        case bytes():
            return value.hex()
        case float():
            return value if value == value and abs(value) != float("inf") else None
        case dict():
            return {str(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case int() | str() | None:
            return value
    return str(value)
