"""What a link has done so far."""

from dataclasses import asdict, dataclass


@dataclass
class LinkCounts:
    """Counts of one end; they go on when the port is opened again.

    Attributes:
        rx_bytes: bytes received.
        rx_frames: good frames received.
        rx_cobs: pieces whose COBS was damaged.
        rx_length: pieces too short or too long.
        rx_crc: pieces whose checksum was wrong.
        rx_dropped: good frames of no use: of another version or side, malformed, out of turn.
        rx_lost: unreliable frames that the numbers say are missing.
        rx_repeats: frames that had come before.
        rx_high_water: the most bytes that the frame buffer has held.
        resyncs: good frames that came next after damage.
        tx_bytes: bytes sent.
        tx_frames: frames sent.
        tx_repeats: those of them that were repetitions.
        tx_dropped: messages refused or given up.
        sessions: how often a session has opened.
    """

    rx_bytes: int = 0
    rx_frames: int = 0
    rx_cobs: int = 0
    rx_length: int = 0
    rx_crc: int = 0
    rx_dropped: int = 0
    rx_lost: int = 0
    rx_repeats: int = 0
    rx_high_water: int = 0
    resyncs: int = 0
    tx_bytes: int = 0
    tx_frames: int = 0
    tx_repeats: int = 0
    tx_dropped: int = 0
    sessions: int = 0

    @property
    def rx_errors(self) -> int:
        """Pieces that were no frame."""
        return self.rx_cobs + self.rx_length + self.rx_crc

    def counters(self) -> dict[str, int]:
        """What a HEARTBEAT tells of them."""
        return {**asdict(self), "rx_errors": self.rx_errors}
