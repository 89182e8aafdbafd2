"""A broker of one's own: mosquitto on a free loopback port, gone when its block ends."""

import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from edgekit.errors import Unavailable

_START_TIMEOUT_S = 10.0
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")


def find_program(name: str) -> str | None:
    """Where a program is; Debian keeps daemons in a folder that users' paths leave out."""
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(_PLACES))


class PrivateBroker:
    """Runs a broker that only this machine reaches and that leaves nothing behind.

    Where mosquitto cannot be found it is amqtt instead: MQTT 3.1.1 only, without TLS, passwords
    and access list. `kind` and `note` say which it is.

    Attributes:
        host: the loopback address.
        port: a free port, the same for as long as the object lives.
        kind: what runs.
        note: what a reader of a demo should know of it.
        ca: the certificate authority's PEM file, where TLS is on.
        log: the lines that the broker wrote.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        *,
        tls: bool = False,
        users: Mapping[str, str] | None = None,
        writable: str = "#",
    ) -> None:
        """Chooses a port; nothing runs yet.

        Args:
            tls: whether to serve TLS, with a self-made authority.
            users: passwords by user name; without any, everyone may connect.
            writable: the topic filter that clients may publish to.
        """
        self.port = _free_port()
        self.log: list[str] = []
        self._program = find_program("mosquitto")
        self.kind: Literal["mosquitto", "amqtt"] = "mosquitto" if self._program else "amqtt"
        self.note = (
            f"mosquitto, MQTT 5 and 3.1.1{', TLS' if tls else ''}{', passwords' if users else ''}"
            if self._program
            else "amqtt, since mosquitto was not found: MQTT 3.1.1 only, no TLS, no passwords"
        )
        self._tls = tls and self._program is not None
        self._users = dict(users or {})
        self._writable = writable
        self._folder = tempfile.TemporaryDirectory(prefix="edgekit-broker-")
        self.ca: Path | None = Path(self._folder.name) / "ca.pem" if self._tls else None
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._listens = False

    def __enter__(self) -> Self:
        try:
            self._configure(Path(self._folder.name))
            self.start()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        """The running broker's process id."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        """Starts it and returns once it listens.

        Raises:
            Unavailable: it ended or did not come up; the text holds its last lines.
        """
        ready = threading.Event()
        self._listens = False
        self._process = subprocess.Popen(
            self._command(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, ready), daemon=True)
        self._reader.start()
        ready.wait(_START_TIMEOUT_S)
        if self._listens:
            return
        self.stop()
        raise Unavailable(f"{self.kind} did not start: {' / '.join(self.log[-5:]) or 'no output'}")

    def stop(self) -> None:
        """Ends it, as a power cut would: without a word to those who are connected."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._reader is not None:
            self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None

    def _read(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line.rstrip())
            if line.rstrip().endswith(" running") or "Listener" in line:
                self._listens = True
                ready.set()
        ready.set()  # it ended

    def _command(self) -> list[str]:
        if self._program is not None:
            return [self._program, "-c", f"{self._folder.name}/broker.conf"]
        script = Path(sys.executable).with_name("amqtt")
        return [str(script), "-c", f"{self._folder.name}/broker.json"]

    def _configure(self, folder: Path) -> None:
        if self._program is None:
            listener = {"type": "tcp", "bind": f"{self.host}:{self.port}"}
            plugin = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
            config = {"listeners": {"default": listener}, "plugins": plugin}
            (folder / "broker.json").write_text(json.dumps(config))
            return
        lines = [
            f"listener {self.port} {self.host}",
            "persistence false",
            "log_dest stderr",
            f"allow_anonymous {'false' if self._users else 'true'}",
            f"acl_file {folder}/acl",
        ]
        rules = f"topic read #\ntopic write {self._writable}\n"
        if os.geteuid() == 0:
            lines.append("user root")  # else it drops to a user who may not read this folder
        if self._users:
            _write_passwords(folder / "passwords", self._users)
            lines.append(f"password_file {folder}/passwords")
            rules = "".join(f"user {user}\n{rules}" for user in self._users)
        if self._tls:
            _make_certificates(folder)
            lines += [f"cafile {folder}/ca.pem", f"certfile {folder}/server.pem"]
            lines += [f"keyfile {folder}/server.key"]
        (folder / "acl").write_text(rules)
        (folder / "broker.conf").write_text("\n".join(lines) + "\n")
        for path in folder.iterdir():
            path.chmod(0o600)


def make_authority(folder: Path, name: str = "ca") -> Path:
    """Makes a certificate authority with the `openssl` command; gives its PEM file.

    Raises:
        Unavailable: there is no `openssl` command, or it failed.
    """
    _openssl(
        *("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN=edgekit private {name}"),
        *(
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign",
        ),
        *("-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem"),
    )
    return folder / f"{name}.pem"


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _make_certificates(folder: Path) -> None:
    make_authority(folder)
    request = ("req", *_NEW_KEY, "-subj", "/CN=localhost")
    _openssl(*request, "-keyout", f"{folder}/server.key", "-out", f"{folder}/server.csr")
    (folder / "server.ext").write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
        "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    _openssl(
        *("x509", "-req", "-in", f"{folder}/server.csr", "-days", "2", "-CAcreateserial"),
        *("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key"),
        *("-extfile", f"{folder}/server.ext", "-out", f"{folder}/server.pem"),
    )


def _write_passwords(path: Path, users: Mapping[str, str]) -> None:
    program = find_program("mosquitto_passwd")
    if program is None:
        raise Unavailable("mosquitto_passwd was not found; it comes with mosquitto")
    path.write_text("".join(f"{user}:{password}\n" for user, password in users.items()))
    path.chmod(0o600)
    _run(program, "-U", str(path))


def _openssl(*arguments: str) -> None:
    program = find_program("openssl")
    if program is None:
        raise Unavailable("the openssl command was not found; install the package openssl")
    _run(program, *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip()}")


def _free_port() -> int:
    """Below the range that outgoing connections use, so that none can take it while we are down."""
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((PrivateBroker.host, port))
            return port
    raise Unavailable("no free port on the loopback interface")
