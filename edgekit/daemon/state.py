"""The one folder that the daemon writes to."""

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgekit.config.schema import Settings
from edgekit.errors import ConfigError, Unavailable

_log = logging.getLogger(__name__)


def state_folder(configured: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that is there and can be written, or `None`: then nothing outlives the daemon.

    Args:
        configured: what the settings say; by default what systemd's `StateDirectory` gave.
        environ: where systemd says so.
    """
    given = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    folder = configured or (Path(given) if given else None)
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        _log.error(
            "the state directory %s cannot be written (%s): nothing is kept over a restart",
            folder,
            error.strerror,
        )
        return None
    return folder


@contextmanager
def held_alone(folder: Path) -> Iterator[None]:
    """Keeps other daemons out of a state directory: two would send each other's messages.

    Raises:
        Unavailable: another one is in there.
    """
    try:
        lock = (folder / ".lock").open("wb")
    except OSError:
        yield  # no room for it: work goes on all the same
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unavailable(
                f"another edgekitd uses the state directory {folder}: stop that one, or give this "
                "one a `state` of its own"
            ) from error
        except OSError:
            _log.debug("%s: its file system knows no locks", folder)
        yield


def need_state(settings: Settings, *tables: str, source: str) -> None:
    """Refuses settings of which some tables need a state directory, and that name none.

    Args:
        settings: the daemon's.
        tables: which need one.
        source: the settings' file, for errors.

    Raises:
        ConfigError: neither the settings nor systemd name one.
    """
    if settings.state is None and "STATE_DIRECTORY" not in os.environ:
        mistakes = [f"{table}: needs a state directory: set `state`" for table in tables]
        raise ConfigError(source, mistakes)
