"""Where edgekit lies on a board, and how its daemon is run: by systemd, or as a plain process."""

import re
from dataclasses import dataclass
from shlex import quote
from typing import Literal

from edgekit.errors import InputError

ServiceKind = Literal["systemd", "process"]
UNIT = "edgekitd.service"
_STOP_S = 20


@dataclass(frozen=True)
class Layout:
    """Paths on the board.

    Attributes:
        service: what runs the daemon.
        prefix: where all code lies, and without systemd all else too.
        home: what holds the code and nothing else.
        venv: the Python environment that a new installation makes.
        bin: where its commands are found: with systemd a link, since code has two slots.
        config: the settings.
        state: the state directory.
        wheels: where wheels to install from are put meanwhile.
    """

    service: ServiceKind
    prefix: str
    home: str
    venv: str
    bin: str
    config: str
    state: str
    wheels: str

    @property
    def python(self) -> str:
        """The interpreter that has edgekit, as a word for a shell.

        An interpreter knows its environment by the path it is called by, so that links have to be
        followed before.
        """
        return f'"$(readlink -f {quote(self.bin)})/python"'

    @property
    def daemon(self) -> str:
        """The daemon's command."""
        return f"{self.bin}/edgekitd"

    @property
    def marker(self) -> str:
        """A file that is there while an installation is not complete."""
        return f"{self.home}/.edgekit-incomplete"

    @property
    def needs_root(self) -> bool:
        """Whether what is done on the board takes the rights of root."""
        return self.service == "systemd"


def layout_of(service: ServiceKind = "systemd", prefix: str | None = None) -> Layout:
    """The paths of a kind of installation.

    Args:
        service: `systemd` is a board as `docs/field.md` describes it; `process` lies wholly below
            the prefix, belongs to whoever logs in, and needs neither root nor systemd.
        prefix: an absolute path on the board; by default `/opt/edgekit`.

    Raises:
        InputError: the prefix is none.
    """
    prefix = prefix or "/opt/edgekit"
    if not re.fullmatch(r"(/[A-Za-z0-9_][A-Za-z0-9._+-]*){2,}", prefix):
        raise InputError(
            f"--prefix {prefix}: give an absolute path of plain names, at least two folders deep"
        )
    if service == "systemd":
        return Layout(
            service=service,
            prefix=prefix,
            home=prefix,
            venv=f"{prefix}/slots/a",
            bin=f"{prefix}/bin",
            config="/etc/edgekit/edgekit.toml",
            state="/var/lib/edgekit",
            wheels="/var/cache/edgekit/wheels",
        )
    return Layout(
        service=service,
        prefix=prefix,
        home=f"{prefix}/venv",
        venv=f"{prefix}/venv",
        bin=f"{prefix}/venv/bin",
        config=f"{prefix}/etc/edgekit.toml",
        state=f"{prefix}/state",
        wheels=f"{prefix}/wheels",
    )


@dataclass(frozen=True)
class Service:
    """Shell scripts that start, stop and look at a board's daemon: pure."""

    layout: Layout

    def is_active(self) -> str:
        """Succeeds where the daemon runs."""
        if self._is_unit:
            return f"systemctl is-active --quiet {UNIT}"
        return (
            f'read -r p <{quote(self._pid)} && tr "\\0" " " <"/proc/$p/cmdline" | grep -q edgekit'
        )

    def start(self) -> str:
        """Starts it where it does not run, and at each boot."""
        if self._is_unit:
            return f"systemctl enable --quiet --now {UNIT}"
        run, log = quote(f"{self.layout.prefix}/run"), quote(self.log)
        daemon, config = quote(self.layout.daemon), quote(self.layout.config)
        return (
            f"if {{ {self.is_active()}; }} 2>/dev/null; then exit 0; fi; set -e; mkdir -p {run}; "
            f": >>{log}; s=$(wc -c <{log}); "
            f"setsid {daemon} --config {config} >>{log} 2>&1 </dev/null & "
            f"p=$!; echo $p >{quote(self._pid)}; "
            f'until tail -c "+$((s+1))" {log} | grep -q "running:"; do '
            f"kill -0 $p 2>/dev/null || {{ tail -n 1 {log} >&2; exit 1; }}; sleep 0.1; done"
        )

    def stop(self) -> str:
        """Stops it, and waits until it has ended."""
        if self._is_unit:
            return f"systemctl disable --quiet --now {UNIT}"
        return (
            f"if {{ {self.is_active()}; }} 2>/dev/null; then kill $p; n=0; "
            f"while kill -0 $p 2>/dev/null && [ $n -lt {_STOP_S * 10} ]; do "
            "sleep 0.1; n=$((n+1)); done; "
            f"kill -9 $p 2>/dev/null || :; fi; rm -f {quote(self._pid)}"
        )

    def logs(self, *, lines: int, follow: bool) -> str:
        """Prints what the daemon logged last."""
        more = " -f" if follow else ""
        if self._is_unit:
            return f"exec journalctl --no-pager -o short-iso -u {UNIT} -n {lines}{more}"
        return f"exec tail -n {lines}{more} {quote(self.log)}"

    @property
    def log(self) -> str:
        """The file that a plain process logs to."""
        return f"{self.layout.prefix}/run/edgekitd.log"

    @property
    def _pid(self) -> str:
        return f"{self.layout.prefix}/run/edgekitd.pid"

    @property
    def _is_unit(self) -> bool:
        return self.layout.service == "systemd"
