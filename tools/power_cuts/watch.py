"""Runs on the board, with its system's Python: a line of JSON for each new status, at once."""

import json
import time
from pathlib import Path

_STATUS = Path("/var/lib/edgekit/updates/status/mean.json")
_LOOK_EVERY_S = 0.02


def watch() -> None:
    """Never ends by itself."""
    last = None
    while True:
        try:
            status = json.loads(_STATUS.read_bytes())
        except (OSError, ValueError):
            status = None
        told = status and (status["phase"], status.get("version"), status.get("reason"))
        if told and told != last:
            last = told
            print(json.dumps(told), flush=True)
        time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    watch()
