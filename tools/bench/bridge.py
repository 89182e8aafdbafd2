"""What the firmware bridge's line carries, how true its times are, and what it costs the board.

`python -m tools.bench.bridge` takes about a minute and prints two tables for docs/benchmarks.md.
Throughput is the samples' bytes that arrive in a pipeline's rows as a share of what a line of that
baud rate can carry (10 bits a byte), in real time, through a pair of pseudo-terminals with a
throttle between them; the device is another process. Times are judged on a clock that is only a
number: half an hour of a device with a drift, behind a line with jitter.
"""

import multiprocessing
import os
import random
import select
import time
import tty
from multiprocessing.synchronize import Event
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgekit.bridge import packets as p
from edgekit.bridge.framing import WHOLE, Frame, encode_frame
from edgekit.bridge.host import Host, Samples
from edgekit.bridge.link import Link
from edgekit.bridge.port import Port
from edgekit.bridge.simulator import SENSORS, Simulated, Simulator
from edgekit.bridge.writing import payload_of
from edgekit.pipeline.parts import Sample
from edgekit.pipeline.sources.serial import SerialSource

SECONDS = 10.0
WARM_UP_S = 2.0
BAUDS = (115_200, 921_600)
FULL = 489
"""Samples of one byte that a full DATA frame holds."""
MS = 1_000_000


def main() -> None:
    wire = len(encode_frame(Frame(p.Type.DATA, WHOLE, 1, payload_of(_full(1)))))
    print(
        f"A full DATA frame: {wire} bytes on the wire for {FULL} of samples, {wire - FULL} of "
        f"overhead: {FULL / wire:.1%} at the very most.\n"
    )
    print("| line | of it samples | frames lost | host's CPU, of one core |")
    print("| --- | --- | --- | --- |")
    for baud in BAUDS:
        share, lost, cpu = throughput(baud)
        print(f"| {baud} baud | {share:.1%} | {lost} | {cpu:.1%} |")
    print()
    print("| drift | jitter each way | error of a time, median | 95 % | by arrival, median |")
    print("| --- | --- | --- | --- | --- |")
    for ppm, jitter_ms in ((0, 0.1), (50, 0.1), (50, 1.0), (-100, 1.0), (50, 5.0)):
        ours, arrival = time_errors(ppm, jitter_ms)
        half, most = np.percentile(ours, [50, 95])
        print(
            f"| {ppm:+d} ppm | {jitter_ms:g} ms | {half:.2f} ms | {most:.2f} ms "
            f"| {np.median(arrival):.1f} ms |"
        )


def throughput(baud: int) -> tuple[float, int, float]:
    """The share of the line that samples in rows are, frames lost, and the host's CPU share."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "port"
        stop = multiprocessing.Event()
        device = multiprocessing.Process(target=serve, args=(path, baud, stop), daemon=True)
        device.start()
        while not path.exists():
            time.sleep(0.01)
        port = Port(str(path), baud=baud)
        source = SerialSource(port, columns=("full",), capacity=200_000)
        with source:
            rows = source.items()
            until = time.monotonic() + WARM_UP_S
            while time.monotonic() < until:
                next(rows)
            begun, cpu, samples, lost = (
                time.monotonic(),
                time.process_time(),
                port.samples,
                port.counts.rx_lost,
            )
            taken = 0
            while time.monotonic() < begun + SECONDS:
                taken += isinstance(next(rows), Sample)
            seconds = time.monotonic() - begun
            share = (port.samples - samples) / (baud / 10 * seconds)
            cpu_share = (time.process_time() - cpu) / seconds
            lost = port.counts.rx_lost - lost
            assert port.dropped == 0, "the host was too slow for the line"
        stop.set()
        device.join()
    return share, lost, cpu_share


def serve(path: Path, baud: int, stop: Event) -> None:
    """A device that has always a frame to send, behind a line of a byte rate."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    sensor = p.Sensor("full", "", round(10e9 / baud), "<u1")
    started = time.monotonic_ns()
    link = Link(
        "device",
        nonce=random.randrange(1, 2**32),
        introduce=lambda now_ns: p.Device((now_ns - started) // 1000, "bench", "b", "1", (sensor,)),
        clock_us=lambda now_ns: (now_ns - started) // 1000,
        baud=baud,
    )
    path.symlink_to(os.ttyname(theirs))
    queue, line_free_ns, data = bytearray(), time.monotonic_ns(), b""
    byte_ns = 10e9 / baud
    while not stop.is_set():
        now_ns = time.monotonic_ns()
        for happening in (*link.feed(data, now_ns), *link.tick(now_ns)):
            packet = getattr(happening, "packet", None)
            if isinstance(packet, p.TimeQuestion):
                clock_us = (now_ns - started) // 1000
                link.send(p.TimeAnswer(packet.t1_us, clock_us, clock_us))
        queue += link.take()
        while link.is_open and len(queue) < 2 * 511:
            link.send(_full((now_ns - started) // 1000))
            queue += link.take()
        room = int((now_ns - line_free_ns) / byte_ns)
        if not queue:
            line_free_ns = max(line_free_ns, now_ns)  # an idle line saves nothing up
        elif room > 0:
            count = min(room, len(queue))
            sent = os.write(ours, queue[:count])
            del queue[:sent]
            line_free_ns += round(sent * byte_ns)
        data = b""
        if select.select([ours], [], [], 0.001)[0]:
            data = os.read(ours, 4096)
    os.close(ours)
    os.close(theirs)


def _full(clock_us: int) -> p.Data:
    """A full frame; its time has the length that it mostly has."""
    return p.Data(0, (clock_us & 0xFFFFFFFF) | 0x10000, bytes(range(1, 164)) * 3)


def time_errors(ppm: float, jitter_ms: float) -> tuple[np.ndarray, np.ndarray]:
    """Errors in ms of samples' times over half an hour: as stamped, and by their arrival."""
    rng = random.Random(1)
    now = [10**12]
    device = Simulator(
        [Simulated(p.Sensor("ramp", "ms", 20 * MS, "<i4", scale=0.001), _ramp), SENSORS[1]],
        drift_ppm=ppm,
        has_model=False,
        batch_s=0.2,
        seed=1,
    )
    host = Host(nonce=1, baud=115_200, clock_ns=lambda: now[0], time_ns=lambda: now[0] + 10**18)
    boot_ns = None
    down: list[tuple[int, bytes]] = []
    up: list[tuple[int, bytes]] = []
    ours, arrivals = [], []
    for step in range(1_800 * 500):
        now[0] += 2 * MS
        list(host.tick(now[0]))
        _put(down, host.link.take(), now[0], rng, jitter_ms)
        sent = device.step(_due(down, now[0]), now[0])
        boot_ns = boot_ns or now[0]
        _put(up, sent, now[0], rng, jitter_ms)
        for found in host.feed(_due(up, now[0]), now[0]):
            if isinstance(found, Samples) and found.sensor.name == "ramp" and step > 60 * 500:
                true_ns = boot_ns + found.values[:, 0] * MS / (1 + ppm * 1e-6)
                ours.append(np.abs(found.taken_ns - true_ns) / MS)
                arrivals.append(np.abs(now[0] - true_ns) / MS)
    return np.concatenate(ours), np.concatenate(arrivals)


def _put(
    line: list[tuple[int, bytes]], data: bytes, now_ns: int, rng: random.Random, jitter_ms: float
) -> None:
    """Bytes go onto a line of 115200 baud after those before them, and wait for a while there."""
    if data:
        before = line[-1][0] if line else 0
        wire_ns = round(len(data) * 10e9 / 115_200)
        wait_ns = round(rng.expovariate(1) * jitter_ms * MS)
        line.append((max(before, now_ns) + wire_ns + wait_ns, data))


def _due(line: list[tuple[int, bytes]], now_ns: int) -> bytes:
    come = b""
    while line and line[0][0] <= now_ns:
        come += line.pop(0)[1]
    return come


def _ramp(seconds: np.ndarray, is_wrong: bool) -> np.ndarray:
    return (seconds * 1000)[:, None]


if __name__ == "__main__":
    main()
