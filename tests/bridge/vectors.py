"""The golden packets in firmware_bridge/vectors, line by line."""

from dataclasses import dataclass
from pathlib import Path

VECTORS = Path(__file__).resolve().parents[2] / "firmware_bridge" / "vectors"


@dataclass(frozen=True)
class Good:
    name: str
    version: int
    type: int
    flags: int
    seq: int
    payload: bytes
    frame: bytes
    value: str


def lines(file: str, fields: int) -> list[list[str]]:
    """The fields of each line; the last one goes to its end."""
    return [
        line.split(" ", fields - 1)
        for line in (VECTORS / file).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]


def bytes_of(text: str) -> bytes:
    return b"" if text == "-" else bytes.fromhex(text)


def good() -> list[Good]:
    return [
        Good(
            name,
            int(version),
            int(kind),
            int(flags),
            int(seq),
            bytes_of(payload),
            bytes_of(frame),
            value,
        )
        for name, version, kind, flags, seq, payload, frame, value in lines("good.txt", 8)
    ]
