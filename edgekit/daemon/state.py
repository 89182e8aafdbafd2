"""The one folder that the daemon writes to."""

import logging
import os
from collections.abc import Mapping
from pathlib import Path

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
