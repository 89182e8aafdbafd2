"""A private OpenSSH server on a loopback port, and what a client needs to reach it."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 30.0
_SERVER = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")


def missing() -> str | None:
    """What has to be installed before a server can run; `None` where nothing has."""
    for program, package in (("ssh", "openssh-client"), ("ssh-keygen", "openssh-client")):
        if shutil.which(program) is None:
            return f"no {program}: install {package}"
    return "no sshd: install openssh-server" if _SERVER is None else None


@dataclass
class Sshd:
    """A server that runs.

    Attributes:
        folder: its keys, its settings, and the client's.
        port: where it listens.
        process: the server.
    """

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def destination(self) -> str:
        """What to give to a command: an alias that the client's settings know."""
        return f"{getpass.getuser()}@board"

    @property
    def config(self) -> Path:
        """The client's settings."""
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys that the client knows."""
        return self.folder / "known_hosts"

    def forget(self) -> None:
        """Has the client know no host."""
        self.known_hosts.write_text("")

    def know(self, public: Path) -> None:
        """Has the client know a host key, and no other."""
        kind, key, *_ = public.read_text().split()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n")

    def stop(self) -> None:
        """Ends it; connections that are open go on."""
        self.process.terminate()
        self.process.wait()


def make_key(path: Path) -> Path:
    """A key pair without a passphrase; gives the public half."""
    path.unlink(missing_ok=True)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.with_name(path.name + ".pub")


@contextmanager
def sshd(folder: Path, *, more: str = "") -> Iterator[Sshd]:
    """A server that takes one key of its own; `more` is put into its settings."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # what the server of root shuts itself into
    host, user = make_key(folder / "host_key"), make_key(folder / "user_key")
    shutil.copy(user, folder / "authorized_keys")
    port = _free_port()
    (folder / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder / 'host_key'}\n"
        f"AuthorizedKeysFile {folder / 'authorized_keys'}\nPidFile {folder / 'sshd.pid'}\n"
        "StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"KbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\nPrintMotd no\n{more}"
    )
    (folder / "ssh_config").write_text(
        f"Host board\n  HostName 127.0.0.1\n  Port {port}\n  IdentitiesOnly yes\n"
        f"  IdentityFile {folder / 'user_key'}\n  UserKnownHostsFile {folder / 'known_hosts'}\n"
        "  GlobalKnownHostsFile /dev/null\n"
    )
    log = (folder / "sshd.log").open("wb")
    assert _SERVER is not None
    process = subprocess.Popen([_SERVER, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    server = Sshd(folder, port, process)
    server.know(host)
    try:
        _await_port(port, process, folder / "sshd.log")
        yield server
    finally:
        server.stop()
        log.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"sshd ended: {log.read_text()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
            continue
        return
    raise RuntimeError("sshd does not listen")
