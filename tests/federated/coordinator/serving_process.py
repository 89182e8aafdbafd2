"""Serves a job in a child process as often as is asked: quickly begun, and killed at any moment.

Reads a line of its input for each serving, and prints `pid N` and then a line for each change.
"""

import os
import sys
from pathlib import Path

from edgekit.federated.coordinator import Summary, serve
from edgekit.federated.coordinator.changes import Change
from edgekit.federated.job import load_job, open_job


def main() -> None:
    path = Path(sys.argv[1])
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            print(f"pid {os.getpid()}", flush=True)
            served = serve(open_job(load_job(path)), show=_show)
            print(f"ended {served.summary.state}", flush=True)
            os._exit(0)
        os.waitpid(child, 0)


def _show(summary: Summary, changes: list[Change]) -> None:
    for change in changes:
        print(f"change {change.what}", flush=True)
    print("looked", flush=True)


if __name__ == "__main__":
    main()
