"""Looks at the state directory: room, and whether what is written there stays."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from edgekit.daemon.doctor.finding import Finding, ok, problem, warning

_LITTLE_MB, _TOO_LITTLE_MB = 500, 50
_FEW_INODES = 1000
_MB = 1_000_000


def look_at_disk(
    state: Path | None,
    *,
    root: Path = Path("/"),
    statvfs: Callable[[Path], os.statvfs_result] = os.statvfs,
    sync: Callable[[int], None] = os.fsync,
) -> Iterator[Finding]:
    """The state directory, and the root file system.

    Args:
        state: where the daemon keeps what must outlive it; `None` where nothing does.
        root: the root file system.
        statvfs: measures a file system.
        sync: brings a file to the disk.
    """
    if statvfs(root).f_flag & os.ST_RDONLY:
        yield ok("disk", "the root file system is read-only")
    if state is None:
        yield warning(
            "disk",
            "no state directory: what the broker does not get in time is lost",
            "set `state`, or start edgekitd by its systemd unit",
        )
        return
    if not state.is_dir():
        advice = f"make it, and give it to the user edgekit: install -d -o edgekit {state}"
        yield problem("disk", f"{state} is not there", advice)
        return
    free = statvfs(state)
    megabytes = free.f_bavail * free.f_frsize // _MB
    what = f"{state}: {megabytes} MB free"
    advice = "delete what is not needed, or lower max_mb of [outbox], [decisions] and [pictures]"
    if megabytes < _TOO_LITTLE_MB:
        yield problem("disk", what, advice)
    elif megabytes < _LITTLE_MB:
        yield warning("disk", what, advice)
    else:
        yield ok("disk", what)
    if free.f_files and free.f_favail < _FEW_INODES:
        yield problem("disk", f"{state}: room for {free.f_favail} more files only", advice)
    yield _written(state, sync)


def _written(state: Path, sync: Callable[[int], None]) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=state, prefix=".doctor-") as file:
            file.write(b"edgekit")
            file.flush()
            sync(file.fileno())
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, PermissionError):
            advice = "run the doctor as the daemon's user: sudo -u edgekit edgekit doctor"
        else:
            advice = "look at `dmesg`: the card may be worn out, full or read-only"
        return problem("disk", f"{state}: cannot be written: {reason}", advice)
    return ok("disk", f"{state}: can be written, and what is written stays")
