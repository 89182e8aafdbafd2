"""Runs a command as a user does: in a process of its own."""

import subprocess
import sys
from pathlib import Path


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """What `edgekit` with these arguments printed, and its exit code.

    Args:
        arguments: the command and what follows it.
        cwd: the folder to run it in; by default this one.
    """
    code = "from edgekit.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
