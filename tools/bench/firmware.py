"""What the example firmware takes of an emulated microcontroller, and how true its times are.

`python -m tools.bench.firmware` prints tables for docs/benchmarks.md. Instructions are counted by
QEMU (`-icount`): each takes the same share of the machine's time, so its timer counts them. They
are no cycles: caches, waits and long multiplications are not in them. The clock is held to a second
line, on which an interrupt answers each byte with the timer's value.
"""

import argparse
import socket
import struct
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgekit.array import Array
from edgekit.bridge.happenings import Introduced, Opened
from edgekit.bridge.host import Samples, Scored
from edgekit.bridge.listening import Gone
from edgekit.bridge.port import Port
from tools.firmware.building import MACHINES, build, size_table
from tools.firmware.emulator import Emulator, run_to_end
from tools.firmware.model import export_model, make_bundle

_SHIFT = 5
_TICK_NS = 40
_CLOCK_HZ = 25_000_000
_TICKS_A_US = 25
_SAMPLES_A_SECOND = 1000
_PROBES = 200
_SECONDS = 60
_PATIENCE_S = 20.0


def main() -> None:
    """Prints sizes, instructions and the clock's error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=_SECONDS, help="of holding the clock")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="edgekit-") as temporary:
        folder = Path(temporary)
        model = export_model(make_bundle(folder), folder / "model")
        counts = {}
        for machine in MACHINES:
            print(size_table(build(machine, model=model, out=folder / machine)), end="\n\n")
            counts[machine] = counted(machine, model, folder)
        print(instruction_table(counts), end="\n\n")
        print(clock_table(model, folder, seconds))


def counted(machine: str, model: Path, folder: Path) -> dict[str, float]:
    """Instructions, or bytes where the name says so, each time something is done.

    Args:
        machine: QEMU's name.
        model: the exported model's folder.
        folder: to build below.
    """
    found = {}
    for how, flags in (("", ""), ("fast ", "-O2")):
        out = folder / f"{machine}{flags}"
        built = build(machine, model=model, out=out, program="counting", extra=flags)
        for line in run_to_end(machine, built.elf, shift=_SHIFT).splitlines():
            name, number, times = line.split()
            is_bytes = name.endswith(("-stack", "-bytes")) or name in ("arena", "macs")
            scale = 1.0 if is_bytes else _TICK_NS / 2**_SHIFT
            found[how + name] = int(number) * scale / int(times)
    return found


def instruction_table(counts: Mapping[str, Mapping[str, float]]) -> str:
    """What was counted, in Markdown, a column a machine."""
    rows = {
        "instructions a score, `-Os`": lambda of: f"{of['score']:,.0f}",
        "of it the network": lambda of: f"{of['network']:,.0f}",
        "instructions a multiply-add, `-Os`": lambda of: f"{of['network'] / of['macs']:.2f}",
        "the same, `-O2`": lambda of: f"{of['fast network'] / of['macs']:.2f}",
        "multiply-adds a second, `-O2`, at 25 MHz": lambda of: (
            f"{of['macs'] / of['fast network'] * _CLOCK_HZ / 1e6:.2f} million"
        ),
        "RAM of the model: arena, stack": lambda of: (
            f"{of['arena']:.0f}, {of['score-stack']:.0f} bytes"
        ),
        "bridge, instructions a sample of 3 axes at 1 kHz": lambda of: f"{of['streamed']:.0f}",
        "of it a poll that has nothing to do": lambda of: f"{of['poll']:.0f}",
        "share of 25 MHz": lambda of: f"{of['streamed'] * _SAMPLES_A_SECOND / _CLOCK_HZ:.2%}",
        "bridge, instructions a byte from the host": lambda of: f"{of['fed']:.0f}",
        "stack of the bridge's sender": lambda of: f"{of['batch-stack']:.0f} bytes",
    }
    head = ["| | " + " | ".join(MACHINES[machine] for machine in counts) + " |"]
    head.append("| --- |" + " --- |" * len(counts))
    lines = [
        f"| {name} | {' | '.join(map(text, counts.values()))} |" for name, text in rows.items()
    ]
    return "\n".join(head + lines)


def clock_table(model: Path, folder: Path, seconds: int) -> str:
    """How far a port's estimate of the device's clock is off, in Markdown.

    Args:
        model: the exported model's folder.
        folder: to build and run below.
        seconds: how long the estimate is looked at, ten times a second.
    """
    machine = "mps2-an386"
    built = build(machine, model=model, out=folder / "probe", extra="-DPROBE")
    listener = _Listener()
    with Emulator(machine, built.elf, folder, with_probe=True) as emulator:
        port = Port(str(emulator.port), name=machine)
        port.wish(listener, {"accel": 1_000_000})
        with port.using(listener):
            if not listener.opened.wait(_PATIENCE_S):
                return "no session"
            errors, widths = held(port, emulator.probe, seconds)
            host = port.host
            rtt_us = None if host is None else host.clock.rtt_us
    half, most = np.percentile(np.abs(errors), [50, 95])
    return (
        "| clock, us | |\n| --- | --- |\n"
        f"| error, median | {half:.0f} |\n| 95 % | {most:.0f} |\n"
        f"| most | {np.abs(errors).max():.0f} |\n| mean, with its sign | {errors.mean():+.0f} |\n"
        f"| known by the second line to | {np.median(widths):.0f} |\n"
        f"| quickest round trip | {rtt_us or 0:.0f} |\n"
        f"| frames, lost | {port.counts.rx_frames:,}, {port.counts.rx_lost} |"
    )


def held(port: Port, probe: Path, seconds: int) -> tuple[Array, Array]:
    """Errors of the estimate in microseconds, and how well each is known."""
    errors, widths = [], []
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(probe))
        line.settimeout(_PATIENCE_S)
        for _ in range(10 * seconds):
            low, high = probed(line)
            host = port.host
            known = None if host is None else host.clock.host_ns(0)
            if known is not None:
                errors.append((known - (low + high) / 2) / 1000)
                widths.append((high - low) / 2000)
            threading.Event().wait(0.1)
    return np.array(errors), np.array(widths)


def probed(line: socket.socket) -> tuple[int, int]:
    """Between which moments of the monotonic clock, in ns, the device's clock was 0.

    Its timer is read between a question's leaving and its answer's coming; many such intervals
    leave a narrow one. The clock of the machine is the host's own, so there is no drift.
    """
    low, high = -(2**63), 2**63
    for _ in range(_PROBES // 10):
        before = time.monotonic_ns()
        line.sendall(b"?")
        answer = b""
        while len(answer) < 4:
            answer += line.recv(4 - len(answer))
        after = time.monotonic_ns()
        ticks = 0xFFFFFFFF - struct.unpack("<I", answer)[0]
        device_ns = ticks * 1000 // _TICKS_A_US
        low, high = max(low, before - device_ns), min(high, after - device_ns)
    return low, high


class _Listener:
    def __init__(self) -> None:
        self.opened = threading.Event()

    def hear(self, happening: Samples | Scored | Gone | Opened | Introduced) -> None:
        if isinstance(happening, Opened):
            self.opened.set()


if __name__ == "__main__":
    main()
