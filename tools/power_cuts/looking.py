"""Reads what `on_board.sh` shows of a board that came up: pure."""

import base64
import binascii
import json
from dataclasses import dataclass, field

from edgekit.bundle.manifest import decode_manifest
from edgekit.errors import EdgekitError
from edgekit.update.state import SlotState
from edgekit.update.state_file import decode_state
from tools.crash_points.making import NAME


@dataclass
class Report:
    """What a board holds after a start.

    Attributes:
        answers: the version of its first prediction.
        state: of its slots.
        bundles: how many whole ones are in the store.
        parts: how many downloads are unfinished.
        restarts: how often systemd restarted the daemon since the boot.
        damaged: files that are not what they should be.
        trouble: lines of the journal that should not be there.
    """

    answers: str | None = None
    state: SlotState = field(default_factory=lambda: SlotState(name=NAME))
    bundles: int = 0
    parts: int = 0
    restarts: int = 0
    damaged: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)

    @property
    def current(self) -> str | None:
        """The version that the slots say is committed; `None` is the settings' own."""
        return None if self.state.current is None else self.state.current.version


def read_report(text: str) -> Report:
    """Reads it; the files of bundles are compared with their manifests."""
    report = Report()
    states: list[SlotState] = []
    for part in ("\n" + text).split("\n[")[1:]:
        head, _, rest = part.partition("]")
        lines = rest.strip("\n").splitlines()
        match head:
            case "answers":
                report.answers = json.loads(lines[0])["model"]["version"] if lines else None
            case "restarts":
                report.restarts = int(lines[0])
            case "slot":
                try:
                    states.append(decode_state(base64.b64decode(lines[0]), where="slots"))
                except (EdgekitError, binascii.Error) as error:
                    report.damaged.append(str(error))
            case "bundle":
                wrong = _wrong_files(lines)
                report.damaged += wrong
                report.bundles += not wrong
            case "parts":
                report.parts = len(lines)
            case "trouble":
                report.trouble = lines
            case _:
                report.damaged.append(f"an unreadable report: {part[:200]!r}")
    if states:
        report.state = states[0]
    return report


def _wrong_files(lines: list[str]) -> list[str]:
    """The files of a bundle that are not what its manifest says."""
    try:
        manifest = decode_manifest(base64.b64decode(lines[0]), where="store")
    except (EdgekitError, binascii.Error) as error:
        return [str(error)]
    there = {line[68:]: line[:64] for line in lines[1:]}  # sha256sum's: hash, blanks, ./name
    wanted = {name: entry.sha256 for name, entry in manifest.files.items()}
    return [
        f"{manifest.version}: {name} is not what the manifest says"
        for name in sorted(there.keys() | wanted.keys())
        if there.get(name) != wanted.get(name)
    ]
