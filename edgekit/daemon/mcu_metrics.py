"""What the `metrics` message says of a microcontroller's link."""

import time
from collections.abc import Callable

from edgekit.bridge.port import Port
from edgekit.messaging.payloads import BridgeMetrics


def bridge_metrics(
    port: Port,
    *,
    clock_ns: Callable[[], int] = time.monotonic_ns,
    time_ns: Callable[[], int] = time.time_ns,
) -> BridgeMetrics:
    """One port's part of the message; looks at what the port's thread works on, without a lock."""
    counts, host = port.counts, port.host
    device = None if host is None else host.device
    beat = None if host is None else host.beat
    clock = None if host is None or not host.clock.is_known else host.clock
    offset_us = None if clock is None else clock.offset_us
    counters = {} if beat is None else beat[0].counters
    now_ns = clock_ns()
    return BridgeMetrics(
        state=port.state,
        frames=counts.rx_frames,
        bytes=counts.rx_bytes,
        crc=counts.rx_crc,
        errors=counts.rx_errors,
        resyncs=counts.resyncs,
        dropped=counts.rx_dropped,
        lost=counts.rx_lost,
        repeats=counts.rx_repeats,
        retries=counts.tx_repeats,
        sessions=counts.sessions,
        reopened=port.reopened,
        samples=port.samples,
        samples_dropped=port.dropped,
        device=None if device is None else device.name,
        firmware=None if device is None else f"{device.firmware} {device.firmware_version}",
        beat_s=None if beat is None else round(max(0, now_ns - beat[1]) / 1e9, 3),
        offset_us=None if offset_us is None else round(offset_us + (time_ns() - now_ns) / 1000, 1),
        rtt_us=None if clock is None else _rounded(clock.rtt_us, 1),
        drift_ppm=None if clock is None else _rounded(clock.drift_ppm, 3),
        device_errors=counters.get("rx_errors"),
        device_dropped=counters.get("tx_dropped"),
    )


def _rounded(value: float | None, places: int) -> float | None:
    return None if value is None else round(value, places)
