"""Boots the emulated board, talks to it over SSH, cuts its power and looks at its disk."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = Path.home() / ".cache" / "edgekit" / "board_vm"
_IMAGE = Path(__file__).with_name("image.sh")
_BOOT_S = 300.0
_DOWN_S = 90.0
_LOST = 255


class BoardFailed(Exception):
    """The emulated board did not do what it should."""


@dataclass(frozen=True)
class DiskCheck:
    """What e2fsck says of a disk after a cut.

    Attributes:
        is_clean: whether nothing is wrong once the journal was played back.
        words: its own.
    """

    is_clean: bool
    words: str


def build(folder: Path = DEFAULT_FOLDER) -> None:
    """Builds what a board boots from, where it is not there yet.

    Raises:
        BoardFailed: it cannot be built.
    """
    if subprocess.run([str(_IMAGE), str(folder)], check=False).returncode:
        raise BoardFailed(f"{folder}: the image was not built")


class Board:
    """An emulated board: QEMU's `virt` machine with the core of a Raspberry Pi 4.

    Its network reaches nothing; only SSH comes in, from this machine.
    """

    def __init__(self, folder: Path = DEFAULT_FOLDER, *, disk: Path | None = None) -> None:
        """Nothing runs yet.

        Args:
            folder: what `build` made.
            disk: this board's own; by default `disk.img` in the folder.
        """
        self._folder = folder
        self.disk = disk or folder / "disk.img"
        self._pid_file = self.disk.with_suffix(".pid")
        self._port_file = self.disk.with_suffix(".port")
        self._monitor = self.disk.with_suffix(".monitor")
        self._control = self.disk.with_suffix(".ssh")
        self.console = self.disk.with_suffix(".log")

    @property
    def pid(self) -> int | None:
        """The emulator's process, while it runs."""
        try:
            pid = int(self._pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if self._is_ours(pid) else None

    def make_disk(self) -> None:
        """Gives the board a disk as it was built."""
        _copy(self._folder / "base.img", self.disk)

    def boot(self) -> None:
        """Switches it on.

        Raises:
            BoardFailed: the emulator did not start.
        """
        if self.pid is not None:
            return
        if not self.disk.exists():
            self.make_disk()
        self._port_file.write_text(str(_free_port()))
        self._monitor.unlink(missing_ok=True)
        command = [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", "2048"),
            *("-accel", "tcg,thread=multi"),
            *(
                "-kernel",
                str(self._folder / "vmlinuz"),
                "-initrd",
                str(self._folder / "initrd.img"),
            ),
            *("-append", "root=/dev/vda rootfstype=ext4 rw console=ttyAMA0 quiet panic=5"),
            *("-drive", f"if=none,id=d0,file={self.disk},format=raw,cache=writeback"),
            *("-device", "virtio-blk-pci,drive=d0"),
            *("-netdev", f"user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:{self.port}-:22"),
            *("-device", "virtio-net-pci,netdev=n0,romfile=", "-device", "virtio-rng-pci"),
            *("-display", "none", "-serial", f"file:{self.console}"),
            *("-monitor", f"unix:{self._monitor},server=on,wait=off"),
            *("-pidfile", str(self._pid_file), "-daemonize"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BoardFailed(f"qemu: {done.stderr.strip()}")

    def wait(self) -> None:
        """Waits until it lets us log in.

        Raises:
            BoardFailed: it does not.
        """
        deadline = time.monotonic() + _BOOT_S
        while not self._log_in():
            if self.pid is None or time.monotonic() > deadline:
                with suppress(OSError):
                    sys.stderr.write(self.console.read_text(errors="replace")[-2000:])
                raise BoardFailed("the board did not come up")
            time.sleep(0.5)

    @property
    def port(self) -> int:
        """Where its SSH server is, on this machine."""
        return int(self._port_file.read_text())

    def ssh_command(self, *script: str) -> list[str]:
        """How to run something on it, as root."""
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
        more = ("IdentitiesOnly=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "BatchMode=yes")
        shared = (f"ControlPath={self._control}",)
        told = [word for option in options + more + shared for word in ("-o", option)]
        key = str(self._folder / "id_ed25519")
        return ["ssh", "-i", key, *told, "-p", str(self.port), "root@127.0.0.1", *script]

    def ssh(
        self, script: str, *, stdin: bytes = b"", timeout_s: float = 300.0
    ) -> "subprocess.CompletedProcess[bytes]":
        """Runs a shell script on it; code 255 is a connection that was lost."""
        command = self.ssh_command(script)
        try:
            return subprocess.run(
                command, input=stdin, capture_output=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, _LOST, b"", b"no answer in time")

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 300.0) -> str:
        """Runs a shell script on it; gives what it printed.

        Raises:
            BoardFailed: it failed.
        """
        done = self.ssh(script, stdin=stdin, timeout_s=timeout_s)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()[-2000:]
            raise BoardFailed(f"{script!r} failed with {done.returncode}: {said}")
        return done.stdout.decode(errors="replace")

    def push(self, sources: Sequence[Path], folder: str) -> None:
        """Copies files and folders into a folder of it, and waits until they are on its disk."""
        packed = subprocess.run(
            ["tar", "-c", *(word for path in sources for word in ("-C", path.parent, path.name))],
            capture_output=True,
            check=True,
        ).stdout
        self.run(
            f"mkdir -p {folder} && tar -x --no-same-owner -C {folder} && sync -f {folder}",
            stdin=packed,
        )

    def cut_power(self) -> None:
        """Ends the emulator at once: what the board had not synced may be lost."""
        if (pid := self.pid) is not None:
            os.kill(pid, signal.SIGKILL)
            self._hang_up()
            while self._is_ours(pid):
                time.sleep(0.01)
        self._pid_file.unlink(missing_ok=True)

    def reset(self) -> None:
        """Presses the reset button: as a cut, but the same emulator boots again."""
        self._tell("system_reset")
        self._hang_up()

    def power_down(self) -> None:
        """Presses the power button, and waits until it is off."""
        if (pid := self.pid) is None:
            return
        self._hang_up()
        self._tell("system_powerdown")
        deadline = time.monotonic() + _DOWN_S
        while self.pid is not None:
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.5)
        self._pid_file.unlink(missing_ok=True)

    def check_disk(self) -> DiskCheck:
        """Plays the journal back on a copy of the disk, as a boot would, and looks for damage.

        Raises:
            BoardFailed: the board runs.
        """
        if self.pid is not None:
            raise BoardFailed("switch the board off before its disk is looked at")
        copy = self.disk.with_suffix(".fsck")
        try:
            _copy(self.disk, copy)
            played = _e2fsck("-p", copy)
            looked = _e2fsck("-fn", copy)
        finally:
            copy.unlink(missing_ok=True)
        words = (played.stdout + played.stderr + looked.stdout + looked.stderr).strip()
        return DiskCheck(played.returncode in (0, 1) and looked.returncode == 0, words)

    def _log_in(self) -> bool:
        """Makes the connection that all commands share: each log-in is seconds of emulation."""
        *command, destination = self.ssh_command()
        if self._control.exists() and _quietly([*command, "-O", "check", destination], timeout_s=9):
            return True
        command += ["-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "-f", "-N"]
        return _quietly([*command, destination], timeout_s=60)

    def _hang_up(self) -> None:
        """Ends that connection, whose other end is gone or will be."""
        *command, destination = self.ssh_command()
        if self._control.exists():
            _quietly([*command, "-O", "exit", destination], timeout_s=10)
        self._control.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.disk).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    def _tell(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(10)
            monitor.connect(str(self._monitor))
            _read_prompt(monitor)
            monitor.sendall(command.encode() + b"\n")
            _read_prompt(monitor)


def _quietly(command: Sequence[str], *, timeout_s: float) -> bool:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _read_prompt(monitor: socket.socket) -> None:
    said = b""
    while not said.endswith(b"(qemu) "):
        said += (more := monitor.recv(4096))
        if not more:
            return


def _e2fsck(mode: str, disk: Path) -> "subprocess.CompletedProcess[str]":
    command = ["e2fsck", mode, str(disk)]
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(
        ["cp", "--sparse=always", "--reflink=auto", str(source), str(target)], check=True
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
