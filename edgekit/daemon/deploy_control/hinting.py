"""Passes a hint on to the daemon by a file, and reads what the daemon says of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from edgekit.daemon.deploy_control.describing import read_status
from edgekit.errors import InputError
from edgekit.messaging.payloads import (
    DeployDesired,
    DeployPhase,
    DeployStatus,
    decode_deploy_desired,
    encode,
)
from edgekit.update.files import DiskFiles, disk_errors, make_folders, replace_durably

_ENDS: tuple[DeployPhase, ...] = ("idle", "committed", "rolled-back", "refused", "failed")
_LOOK_S = 0.1


def withdraw(state: Path, name: str, rollout: str) -> None:
    """Takes a hint away again, if it is still this one."""
    file = _hints(state) / f"{name}.json"
    with suppress(OSError, InputError):
        if decode_deploy_desired(file.read_bytes()).rollout == rollout:
            file.unlink()


def is_over(status: DeployStatus, wish: DeployDesired) -> bool:
    """Whether the daemon is done with a hint: pure."""
    return status.rollout == wish.rollout and status.phase in _ENDS


def has_followed(status: DeployStatus, wish: DeployDesired) -> bool:
    """Whether what a hint asked for is what runs now: pure."""
    return is_over(status, wish) and status.running == wish.version


def follow(
    state: Path,
    name: str,
    wish: DeployDesired,
    *,
    for_s: float,
    clock_s: Callable[[], float] = time.monotonic,
    wait: Callable[[float], None] = time.sleep,
) -> Iterator[DeployStatus]:
    """Gives the daemon a hint, and what it says, until it is done or the time is up.

    To follow the same hint again is no harm: the daemon passes over one that has not changed. It is
    taken away when the daemon is done with it: a later start shall not follow it once more.

    Args:
        state: the state directory.
        name: the bundle's.
        wish: the hint; its rollout tells it from all others.
        for_s: how long to look.
        clock_s: seconds that never jump.
        wait: passes so many seconds.

    Raises:
        InputError: the disk is full or cannot be written.
    """
    before = read_status(state, name)
    if before is None or not is_over(before, wish):
        _leave(state, name, wish)
    last: DeployStatus | None = None
    deadline = clock_s() + for_s
    while clock_s() < deadline:
        status = read_status(state, name)
        if status is not None and status != last:
            if is_over(status, wish):
                withdraw(state, name, wish.rollout or "")
                yield status
                return
            yield status
            last = status
        wait(_LOOK_S)


def _leave(state: Path, name: str, wish: DeployDesired) -> None:
    folder, disk = _hints(state), DiskFiles()
    with disk_errors(folder):
        make_folders(disk, folder)
        replace_durably(disk, folder / f"{name}.json", encode(wish))


def _hints(state: Path) -> Path:
    return state / "updates" / "hints"
