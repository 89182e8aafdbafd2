"""Looks at the board itself: clock, memory, heat and power, versions, and systemd."""

import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgekit import __version__
from edgekit.daemon.doctor.finding import Finding, ok, problem, warning
from edgekit.daemon.thermal import Throttling, read_temperature_c, read_throttling

Ask = Callable[[Sequence[str]], str | None]
"""Runs a command; gives what it printed, or `None` where it is missing or failed."""

_ROOT = Path("/")
_FIRST_PLAUSIBLE_YEAR, _LAST_PLAUSIBLE_YEAR = 2025, 2100
_WARM_C, _HOT_C = 70.0, 80.0
_LITTLE_MEMORY_MB, _TOO_LITTLE_MEMORY_MB = 150, 50
_ASK_TIMEOUT_S = 5.0


def ask(command: Sequence[str]) -> str | None:
    """As `Ask`, for real."""
    program = shutil.which(command[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *command[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_ASK_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def look_at_clock(
    root: Path = _ROOT, *, now_s: Callable[[], float] = time.time, ask: Ask = ask
) -> Finding:
    """Whether the network set the clock, and whether its year can be."""
    now = now_s()
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(max(now, 0), 2**40)))
    if (
        not _FIRST_PLAUSIBLE_YEAR
        <= time.gmtime(min(max(now, 0), 2**40)).tm_year
        < _LAST_PLAUSIBLE_YEAR
    ):
        return problem(
            "clock",
            f"says {said}, which cannot be: certificates will not be trusted",
            "give the board a way to a time server, and look at `timedatectl`",
        )
    if (root / "run/systemd/timesync/synchronized").exists():
        return ok("clock", f"set by the network: {said}")
    told = (ask(["timedatectl", "show", "-p", "NTPSynchronized", "--value"]) or "").strip()
    if told == "yes":
        return ok("clock", f"set by the network: {said}")
    return warning(
        "clock",
        f"not set by the network: {said}",
        "run systemd-timesyncd or chrony; without them times are only as good as the last guess",
    )


def look_at_temperature(root: Path = _ROOT) -> Finding:
    """How hot the processor is."""
    celsius = read_temperature_c(root)
    if celsius is None:
        return ok("temperature", "the board has no sensor")
    if celsius >= _HOT_C:
        advice = "cool it: a heat sink, a fan, shade; edgekitd lowers the frame rate meanwhile"
        return problem("temperature", f"{celsius:.0f} °C, where processors slow down", advice)
    if celsius >= _WARM_C:
        return warning("temperature", f"{celsius:.0f} °C", "leave it room for a warm day: cool it")
    return ok("temperature", f"{celsius:.0f} °C")


def look_at_power(
    root: Path = _ROOT, *, read: Callable[[Path], Throttling | None] = read_throttling
) -> Finding:
    """Whether the supply copes, and whether the processor is held back."""
    told = read(root)
    if told is None:
        return ok("power", "the board does not say")
    supply = "take a stronger supply and a short, thick cable"
    if told.under_voltage:
        return problem("power", "the voltage is too low now", supply)
    if told.is_held_back:
        return problem("power", "the processor is held back now", "cool the board")
    if told.under_voltage_occurred:
        return warning("power", "the voltage was too low since the board started", supply)
    if told.throttled_occurred or told.frequency_capped_occurred:
        return warning("power", "the processor was held back since the start", "cool the board")
    return ok("power", "enough, and the processor runs at full speed")


def look_at_memory(root: Path = _ROOT) -> Finding:
    """How much memory programs can still have."""
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        amount = rest.split()[:1]
        if name == "MemAvailable" and amount and amount[0].isdecimal():
            megabytes = int(amount[0]) // 1024
            what = f"{megabytes} MB are free"
            advice = "end other programs, or take fewer or smaller models"
            if megabytes < _TOO_LITTLE_MEMORY_MB:
                return problem("memory", what, advice)
            if megabytes < _LITTLE_MEMORY_MB:
                return warning("memory", what, advice)
            return ok("memory", what)
    return ok("memory", "the board does not say")


def look_at_versions(
    root: Path = _ROOT, *, installed: Callable[[str], str] = version
) -> Iterator[Finding]:
    """What runs here; a missing engine is a problem."""
    model = _text(root / "proc/device-tree/model").strip("\0 \n") or platform.machine()
    yield ok("board", f"{model}, Linux {platform.release()}")
    parts = {
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
        "LiteRT": ("ai-edge-litert", "tflite-runtime"),
        "OpenCV": ("opencv-python-headless", "opencv-python", "opencv-contrib-python"),
    }
    found = {part: _first(names, installed) for part, names in parts.items()}
    told = [f"edgekit {__version__}", f"Python {platform.python_version()}"]
    told += [f"{part} {number}" for part, number in found.items() if number]
    yield ok("versions", ", ".join(told))
    if not found["onnxruntime"] and not found["LiteRT"]:
        yield problem("versions", "no engine is installed", "pip install onnxruntime")


def look_at_service(*, ask: Ask = ask) -> Finding:
    """Whether edgekitd runs under systemd, since when, and how often it had to start again."""
    told = ask(
        [
            "systemctl",
            "show",
            "edgekitd",
            "--property=LoadState,ActiveState,SubState,NRestarts,ActiveEnterTimestamp,UnitFileState",
        ]
    )
    if told is None:
        return ok("service", "no systemd here")
    facts = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    if facts.get("LoadState") != "loaded":
        return warning("service", "edgekitd is not installed as a service", "see docs/field.md")
    state, restarts = facts.get("ActiveState", ""), facts.get("NRestarts", "0")
    if state == "failed":
        advice = "`journalctl -u edgekitd -e` says why; `systemctl restart edgekitd` tries again"
        return problem("service", "edgekitd has failed", advice)
    if state != "active":
        return warning("service", f"edgekitd is {state}", "systemctl enable --now edgekitd")
    what = f"edgekitd runs since {facts.get('ActiveEnterTimestamp', 'long ago')}"
    if restarts.isdecimal() and int(restarts) > 0:
        advice = "`journalctl -u edgekitd -e` says why"
        return warning("service", f"{what}, after {restarts} restarts", advice)
    if facts.get("UnitFileState") == "disabled":
        return warning("service", f"{what}, but not after a boot", "systemctl enable edgekitd")
    return ok("service", what)


def _first(names: Sequence[str], installed: Callable[[str], str]) -> str | None:
    for name in names:
        try:
            return installed(name)
        except PackageNotFoundError:
            continue
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
