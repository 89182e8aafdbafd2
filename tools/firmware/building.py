"""Builds the example firmware with its own Makefile, and tells what is in it."""

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.errors import EdgekitError

EXAMPLE = Path(__file__).parents[2] / "firmware_bridge" / "c" / "examples" / "mps2"
MACHINES = {"mps2-an385": "Cortex-M3", "mps2-an386": "Cortex-M4F"}
PACKAGES = {
    "make": "make",
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-system-arm": "qemu-system-arm",
    "socat": "socat",
}
"""What building and running takes, and the Debian packages that have it."""

Program = Literal["firmware", "counting"]
_PARTS = ("bridge library", "model", "golden vectors", "firmware", "compiler's and newlib's")
_FLASH = re.compile(r"\.(text|rodata|data|vectors|ARM)")
_RAM = re.compile(r"\.(data|bss|noinit)|COMMON")


class BuildFailed(EdgekitError):
    """The firmware does not compile, or not without a warning."""


@dataclass(frozen=True)
class Built:
    """A program for a machine.

    Attributes:
        machine: QEMU's name of it.
        elf: the program.
        flash: bytes of code, constants and what data starts from, by part.
        ram: bytes of data, by part; the stack apart.
    """

    machine: str
    elf: Path
    flash: Counter[str]
    ram: Counter[str]


def build(
    machine: str, *, model: Path, out: Path, program: Program = "firmware", extra: str = ""
) -> Built:
    """Compiles a program of the example.

    Args:
        machine: one of MACHINES.
        model: the folder of the exported model, whose files begin with `model`.
        out: the folder for what is built.
        program: which.
        extra: more flags for the compiler.

    Raises:
        BuildFailed: with what the compiler said.
    """
    elf = out.absolute() / f"{program}.elf"
    command = ["make", "-s", "-C", str(EXAMPLE), f"MACHINE={machine}", f"OUT={out.absolute()}",
               f"MODEL={model.absolute()}", f"EXTRA={extra}", str(elf)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{program} for {machine} does not build:\n{done.stderr[-4000:]}")
    kept = _sections(elf.with_suffix(".map").read_text())
    flash: Counter[str] = Counter()
    ram: Counter[str] = Counter()
    for (section, file), size in kept.items():
        part = _part(section, file)
        flash[part] += size if _FLASH.match(section) else 0
        ram[part] += size if _RAM.match(section) else 0
    return Built(machine, elf, +flash, +ram)


def size_table(built: Built) -> str:
    """Flash and RAM by part, in Markdown."""
    counted = [(part, built.flash[part], built.ram[part]) for part in _PARTS]
    counted.append(("all", built.flash.total(), built.ram.total()))
    rows = [f"| {part} | {flash:,} | {ram:,} |" for part, flash, ram in counted]
    head = [f"| {MACHINES[built.machine]}, bytes | flash | RAM |", "| --- | --- | --- |"]
    return "\n".join([*head, *rows])


def _part(section: str, file: str) -> str:
    if re.match(r"ek_\w+\.o$", file):
        return "bridge library"
    if file == "model.o":
        return "model"
    if "golden" in section:
        return "golden vectors"
    if re.search(r"\.(host|receive|transmit|hold)\b", section):
        return "bridge library"
    if re.search(r"\.(arena|window|given|out|integers)\b", section):
        return "model"
    if file.endswith(".o") and "lib_a" not in file and not file.startswith(("_", "crt")):
        return "firmware"
    return "compiler's and newlib's"


def _sections(linker_map: str) -> Counter[tuple[str, str]]:
    """Bytes by section and file of what the linker kept."""
    kept: Counter[tuple[str, str]] = Counter()
    placed = linker_map.split("Linker script and memory map")[1]
    for found in re.finditer(
        r"^ (\.[\w.$]+|COMMON)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+)$", placed, re.MULTILINE
    ):
        if not found[1].startswith((".debug", ".comment", ".ARM.attributes")):
            name = re.sub(r".*\((.*)\)$", r"lib_a-\1", Path(found[3]).name)
            kept[found[1], name] += int(found[2], 16)
    return kept
