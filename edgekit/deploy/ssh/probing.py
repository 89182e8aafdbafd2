"""What a board is before edgekit is there: found by one shell script, judged by pure rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from shlex import quote

from edgekit.deploy.ssh.layout import Layout
from edgekit.errors import InputError

OLDEST, NEWEST = (3, 11), (3, 13)
MACHINES = ("x86_64", "aarch64")
_NEEDED_BYTES = 500_000_000
"""What the Python environment takes (350 MB), and the wheels it is made of (110 MB)."""

_PYTHONS = "python3 python3.13 python3.12 python3.11"
_ASK_PYTHON = (
    "import struct, sys; from importlib.util import find_spec as f; "
    "can = bool(f('venv') and f('ensurepip')); "
    "print(*sys.version_info[:2], struct.calcsize('P') * 8, int(can))"
)


@dataclass(frozen=True)
class Python:
    """An interpreter on the board.

    Attributes:
        path: where it is.
        version: major and minor.
        bits: of its pointers.
        has_venv: whether it can make environments.
    """

    path: str
    version: tuple[int, int]
    bits: int = 64
    has_venv: bool = True


@dataclass(frozen=True)
class Facts:
    """What the script found.

    Attributes:
        is_root: whether the user who logged in is root.
        has_sudo: whether sudo works without a password.
        systemd: its version; `None` where it is not what runs the board.
        machine: the processor, as `uname -m` says.
        pythons: those that there are, in the order of preference.
        edgekit: the version that is installed and complete.
        is_taken: whether something else lies where edgekit would be installed.
        free_bytes: what may be written there.
    """

    is_root: bool = False
    has_sudo: bool = False
    systemd: int | None = None
    machine: str = ""
    pythons: tuple[Python, ...] = ()
    edgekit: str | None = None
    is_taken: bool = False
    free_bytes: int = 0

    def python(self) -> Python | None:
        """The first interpreter that edgekit runs on."""
        fit = (p for p in self.pythons if OLDEST <= p.version <= NEWEST and p.bits == 64)
        return next(iter(sorted(fit, key=lambda p: not p.has_venv)), None)


def probe_script(layout: Layout) -> str:
    """The script; prints a fact a line, and where edgekit is there none of what it needs."""
    home, python, marker = quote(layout.home), layout.python, quote(layout.marker)
    version = "import importlib.metadata as m; print(m.version('edgekit'))"
    return (
        'echo "uid $(id -u)"\n'
        '[ "$(id -u)" = 0 ] || { sudo -n true && echo sudo; } 2>/dev/null\n'
        "[ ! -d /run/systemd/system ] || "
        "echo \"systemd $(systemctl --version | sed -n '1s/[^0-9]*\\([0-9]*\\).*/\\1/p')\"\n"
        f"if [ -x {python} ] && [ ! -e {marker} ] && "
        f'v=$({python} -I -c {quote(version)} 2>/dev/null); then echo "edgekit $v"; exit 0; fi\n'
        'echo "machine $(uname -m)"\n'
        f"for p in {_PYTHONS}; do p=$(command -v $p) || continue; "
        f'echo "python $p $($p -I -c {quote(_ASK_PYTHON)} 2>/dev/null)"; done\n'
        f'if [ ! -e {marker} ] && [ -n "$(ls -A {home} 2>/dev/null)" ]; then echo taken; fi\n'
        f'd={home}; while [ ! -d "$d" ]; do d=$(dirname "$d"); done\n'
        'echo "free $(df -Pk "$d" | awk \'NR==2 {print $4}\')"\n'
    )


def facts_of(printed: str) -> Facts:
    """Reads what the script printed; what cannot be read is passed over."""
    single: dict[str, str] = {}
    pythons: list[Python] = []
    for line in printed.splitlines():
        key, *values = line.split()[:6] or [""]
        if key == "python":
            pythons += _python(values)
        elif key in _KEYS and key not in single:
            single[key] = " ".join(values)
    systemd, free = single.get("systemd", ""), single.get("free", "")
    return Facts(
        is_root=single.get("uid") == "0",
        has_sudo="sudo" in single,
        systemd=int(systemd) if systemd.isdecimal() else (0 if "systemd" in single else None),
        machine=single.get("machine", ""),
        pythons=tuple(pythons),
        edgekit=single.get("edgekit") or None,
        is_taken="taken" in single,
        free_bytes=int(free) * 1024 if free.isdecimal() else 0,
    )


def check_rights(facts: Facts, layout: Layout, *, destination: str) -> None:
    """Refuses a board on which we may not do, or cannot have done, what it takes.

    Raises:
        InputError: there is no systemd, or no way to be root.
    """
    if not layout.needs_root:
        return
    if facts.systemd is None:
        raise InputError(
            f"{destination}: is not run by systemd, which starts and watches edgekitd; in a "
            "container take `--service process --prefix /a/folder`"
        )
    if not (facts.is_root or facts.has_sudo):
        raise InputError(
            f"{destination}: may not become root there: log in as root, or let the user use sudo "
            "without a password (a line `USER ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d/edgekit)"
        )


def check_installable(facts: Facts, layout: Layout, *, destination: str) -> Python:
    """The interpreter to install with.

    Raises:
        InputError: the board cannot take edgekit: why, and what to do.
    """
    for mistake in _obstacles(facts, layout):
        raise InputError(f"{destination}: {mistake}")
    python = facts.python()
    assert python is not None
    return python


def _obstacles(facts: Facts, layout: Layout) -> Iterator[str]:
    if facts.is_taken:
        yield (
            f"{layout.home} holds something that is not edgekit's; choose another --prefix, or "
            "remove it"
        )
    if facts.machine not in MACHINES:
        machine = facts.machine or "an unknown machine"
        yield f"is {machine}; edgekit runs on {' and '.join(MACHINES)}"
    python = facts.python()
    if python is None:
        wanted = f"a 64-bit Python {_dotted(OLDEST)} to {_dotted(NEWEST)}"
        has = ", ".join(f"{_dotted(p.version)} ({p.bits}-bit)" for p in facts.pythons) or "none"
        yield f"needs {wanted}; it has {has}; install one, or a newer system"
    elif not python.has_venv:
        yield (
            f"its Python {_dotted(python.version)} cannot make environments; "
            "run `sudo apt install python3-venv` there"
        )
    if facts.free_bytes < _NEEDED_BYTES:
        yield (
            f"the disk is full: edgekit takes {_NEEDED_BYTES / 1e6:.0f} MB at {layout.prefix}, "
            f"{facts.free_bytes / 1e6:.0f} MB are free"
        )


_KEYS = ("uid", "sudo", "systemd", "machine", "edgekit", "taken", "free")


def _python(values: list[str]) -> list[Python]:
    if len(values) != 5 or not all(value.isdecimal() for value in values[1:]):
        return []
    major, minor, bits, has_venv = map(int, values[1:])
    return [Python(values[0], (major, minor), bits, bool(has_venv))]


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
