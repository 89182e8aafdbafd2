"""Runs firmware in QEMU, with its UART on a socket and behind a pseudo-terminal."""

import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.errors import Unavailable

_SEED_ADDRESS = 0x2000FFF0
_PATIENCE_S = 20.0
_LOOK_S = 0.02


class Emulator:
    """A microcontroller in QEMU; leaving ends it.

    Attributes:
        port: the pseudo-terminal of its UART, by a path that outlives restarts.
        probe: the socket of its second UART, where `with_probe`.
    """

    def __init__(self, machine: str, elf: Path, folder: Path, *, with_probe: bool = False) -> None:
        """Prepares.

        Args:
            machine: QEMU's name.
            elf: the program.
            folder: for the sockets; short, since their paths may have 100 bytes or so.
            with_probe: whether its second UART is used too.
        """
        self.port = folder / "port"
        self.probe = folder / "probe.sock"
        self._line = folder / "line.sock"
        self._machine = machine
        self._elf = elf
        self._with_probe = with_probe
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Switches it on, and waits until its port is there.

        Raises:
            Unavailable: QEMU or socat does not come up; with what it said.
        """
        for path in (self._line, self.probe):
            path.unlink(missing_ok=True)
        serials = ["-serial", f"unix:{self._line},server=on,wait=off"]
        if self._with_probe:
            serials += ["-serial", f"unix:{self.probe},server=on,wait=off"]
        self._run([*_qemu(self._machine, self._elf), *serials])
        self._wait_for(self._line)
        self._run(["socat", f"PTY,link={self.port},rawer", f"UNIX-CONNECT:{self._line}"])
        self._wait_for(self.port)

    def kill(self) -> None:
        """Pulls its plug: QEMU ends at once, and the port is gone."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.communicate()
        self._processes.clear()
        self.port.unlink(missing_ok=True)

    def wait(self) -> None:
        """Until QEMU ends by itself."""
        self._processes[0].wait()

    def _run(self, command: Sequence[str]) -> None:
        self._processes.append(
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        )

    def _wait_for(self, path: Path) -> None:
        newest = self._processes[-1]
        deadline = time.monotonic() + _PATIENCE_S
        while not path.exists():
            if newest.poll() is not None or time.monotonic() > deadline:
                newest.kill()
                _, said = newest.communicate()
                self.kill()
                raise Unavailable(f"{path.name} did not appear: {said.decode(errors='replace')}")
            threading.Event().wait(_LOOK_S)


def run_to_end(machine: str, elf: Path, *, shift: int, timeout_s: float = 300) -> str:
    """What a program prints by semihosting until it ends by itself.

    Args:
        machine: QEMU's name.
        elf: the program.
        shift: an instruction takes 2^shift ns of the machine's time, whatever the host does.
        timeout_s: how long it may take.

    Raises:
        Unavailable: it ends with another code than 0.
    """
    how = ("-semihosting-config", "enable=on,target=native", "-icount", f"shift={shift}",
           "-serial", "none")  # fmt: skip
    done = subprocess.run(
        [*_qemu(machine, elf), *how], capture_output=True, text=True, timeout=timeout_s, check=False
    )
    said = done.stdout + done.stderr
    if done.returncode != 0:
        raise Unavailable(f"{elf.name} on {machine} ended with {done.returncode}: {said[-500:]}")
    return said


def missing_programs(programs: Sequence[str]) -> list[str]:
    """Those that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def _qemu(machine: str, elf: Path) -> list[str]:
    seed = f"loader,addr={_SEED_ADDRESS:#x},data={secrets.randbits(32):#x},data-len=4"
    return ["qemu-system-arm", "-M", machine, "-kernel", str(elf), "-display", "none",
            "-monitor", "none", "-device", seed]  # fmt: skip
