"""Runs a command of the field by its own module, in a process of its own."""

import subprocess
import sys
from pathlib import Path


def run_module(command: str, *arguments: object, cwd: Path | None = None) -> "Done":
    """What `edgekit COMMAND ARGUMENTS` printed, and its exit code."""
    code = (
        "import edgekit.cli as cli\n"
        f"cli.COMMANDS.setdefault({command!r}, 'edgekit.cli.{command}:{command}')\n"
        "cli.main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code, command, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


Done = subprocess.CompletedProcess[str]
