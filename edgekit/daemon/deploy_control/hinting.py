"""Passes a hint on to the daemon by a file, and reads what the daemon says of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from edgekit.daemon.deploy_control.describing import read_status
from edgekit.errors import InputError
from edgekit.learning.durable import write_durably
from edgekit.messaging.payloads import (
    DeployDesired,
    DeployPhase,
    DeployStatus,
    decode_deploy_desired,
    encode,
)
from edgekit.update.files import DiskFiles, disk_errors, make_folders

_ENDS: tuple[DeployPhase, ...] = ("idle", "committed", "rolled-back", "refused", "failed")
_LOOK_S = 0.1


def hint(state: Path, name: str, wish: DeployDesired) -> None:
    """Puts a hint where the daemon looks for it.

    Raises:
        InputError: the disk is full or cannot be written.
    """
    folder = _hints(state)
    with disk_errors(folder):
        make_folders(DiskFiles(), folder)
    write_durably(folder / f"{name}.json", lambda file: file.write(encode(wish)))


def withdraw(state: Path, name: str, rollout: str) -> None:
    """Takes a hint away again, if it is still this one."""
    file = _hints(state) / f"{name}.json"
    with suppress(OSError, InputError):
        if decode_deploy_desired(file.read_bytes()).rollout == rollout:
            file.unlink()


def is_over(status: DeployStatus, rollout: str) -> bool:
    """Whether the daemon is done with what a hint asked for: pure."""
    return status.rollout == rollout and status.phase in _ENDS


def follow(
    state: Path,
    name: str,
    rollout: str,
    *,
    for_s: float,
    clock_s: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[DeployStatus]:
    """Each thing the daemon says of a bundle's update, until it is done or the time is up.

    The hint is taken away when the daemon is done with it: a later start of the daemon shall not
    follow it once more.
    """
    last: DeployStatus | None = None
    deadline = clock_s() + for_s
    while clock_s() < deadline:
        status = read_status(state, name)
        if status is not None and status != last:
            if is_over(status, rollout):
                withdraw(state, name, rollout)
                yield status
                return
            yield status
            last = status
        wait(_LOOK_S)


def _hints(state: Path) -> Path:
    return state / "updates" / "hints"
