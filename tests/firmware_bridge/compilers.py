"""What tests of the C library share: compilers that may be missing, and its own Makefile."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.broker import need_program
from tools.bridge_sizes import LIBRARY

VECTORS = LIBRARY.parent / "vectors"
PACKAGES = {
    "gcc": "gcc",
    "g++": "g++",
    "make": "make",
    "clang": "clang",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "avr-gcc": "gcc-avr avr-libc",
}
_PATIENCE_S = 120


def need_compiler(name: str) -> None:
    """Skips the test where a compiler is missing; on CI, which has to have it, fails it."""
    need_program(name, PACKAGES[name])


def run(command: Sequence[str], *, stdin: str = "", cwd: Path = LIBRARY) -> str:
    """What a command prints; fails the test with all it said where it fails."""
    done = subprocess.run(
        command, cwd=cwd, input=stdin, capture_output=True, text=True, timeout=_PATIENCE_S,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}")
    return done.stdout


def built(program: str, folder: Path, *, compiler: str = "gcc") -> Path:
    """A program of the library's Makefile, built below `folder`."""
    need_compiler("make")
    need_compiler(compiler)
    run(["make", "-s", f"OUT={folder}", f"CC={compiler}", str(folder / program)])
    return folder / program


def need_fuzzer(folder: Path) -> None:
    """Skips the test where clang has no libFuzzer; on CI fails it."""
    need_compiler("clang")
    source = folder / "empty.c"
    source.write_text(
        "int LLVMFuzzerTestOneInput(void);int LLVMFuzzerTestOneInput(void){return 0;}"
    )
    done = subprocess.run(
        ["clang", "-fsanitize=fuzzer,address", str(source), "-o", str(folder / "empty")],
        capture_output=True, text=True, timeout=_PATIENCE_S, check=False,
    )  # fmt: skip
    if done.returncode == 0:
        return
    version = re.search(r"clang/(\d+)", done.stderr)
    reason = (
        f"clang has no libFuzzer: tools/apt.sh libclang-rt-{version[1] if version else 'N'}-dev"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def rows(name: str, fields: int) -> list[list[str]]:
    """The lines of a file of golden packets, cut into that many fields; the last has the rest."""
    lines = (VECTORS / name).read_text().splitlines()
    return [line.split(" ", fields - 1) for line in lines if not line.startswith("#")]


class Codec:
    """The C codec behind a pipe: a request in, lines out."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Speaks to a running `ek_codec`."""
        self._process = process

    def ask(self, request: str) -> list[str]:
        """The lines of its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        lines = []
        for line in self._process.stdout:
            if line == ".\n":
                return lines
            lines.append(line.rstrip("\n"))
        pytest.fail(f"ek_codec ended at {request[:200]}")


@contextmanager
def running_codec(program: Path) -> Iterator[Codec]:
    """Starts the codec, and ends it by the end of its input."""
    with subprocess.Popen(
        [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Codec(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=_PATIENCE_S) == 0
