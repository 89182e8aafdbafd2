"""`python -m tools.bridge_sizes`: flash and RAM that the bridge's C library takes."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LIBRARY = Path(__file__).parent.parent / "firmware_bridge" / "c"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Wshadow", "-Werror")
_FLAGS = ("-Os", "-ffunction-sections", "-fdata-sections", f"-I{LIBRARY / 'include'}")
_ARM_LINK = ("-nostartfiles", "--specs=nano.specs", "--specs=nosys.specs", "-Wl,--entry=main")
# Registers stand for the line and the clock; where they lie is of no matter here.
_LINK = ("-Wl,--gc-sections", "-Wl,--defsym=line_register=0x100,--defsym=clock_register=0x104")


WHOLE = ("WITH_PREDICTIONS", "WITH_REQUESTS")


@dataclass(frozen=True)
class Target:
    """A core that firmware is compiled for."""

    name: str
    compiler: str
    flags: tuple[str, ...]
    link: tuple[str, ...] = ()


TARGETS = (
    Target("Cortex-M0", "arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-mthumb"), _ARM_LINK),
    Target("Cortex-M4", "arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb"), _ARM_LINK),
    Target("AVR (ATmega2560)", "avr-gcc", ("-mmcu=atmega2560",)),
)


def flash_bytes(target: Target, options: Sequence[str] = WHOLE, *, lto: bool = False) -> int:
    """Code and constants of the library in the least application for a target.

    Args:
        target: what to build for; its compiler has to be there.
        options: what the application does besides sending samples.
        lto: whether the linker optimises across files; then the application's own functions,
            which can no longer be told apart, count as well.

    Raises:
        subprocess.CalledProcessError: it does not build without a warning.
    """
    kept = _built(target, options, lto=lto)
    return sum(
        size for (section, file), size in kept.items()
        if re.match(r"\.(text|rodata|progmem|data)", section)
        and (re.match(r"ek_\w+\.o", file) or "ltrans" in file)
    )  # fmt: skip


def ram_bytes(target: Target) -> tuple[int, int]:
    """Bytes of an `ek_link`, and of that with what it is lent: two frames of 508, 64 to hold.

    Raises:
        subprocess.CalledProcessError: it does not build without a warning.
    """
    kept = _built(target, WHOLE, lto=False)
    sizes = {section: size for (section, _), size in kept.items()}
    link = sizes[".bss.host"]
    return link, link + sum(sizes[f".bss.{one}"] for one in ("receive", "transmit", "hold"))


def table(targets: Sequence[Target] = TARGETS) -> str:
    """The figures as a table in Markdown, of the targets whose compilers are here."""
    lines = [
        "| | samples | and predictions | and CONFIG, COMMAND | all, with `-flto` "
        "| an `ek_link` | with its buffers |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for target in targets:
        if shutil.which(target.compiler) is None:
            continue
        flash = [flash_bytes(target, WHOLE[:count]) for count in range(len(WHOLE) + 1)]
        flash.append(flash_bytes(target, lto=True))
        cells = " | ".join(f"{size:,}" for size in (*flash, *ram_bytes(target)))
        lines.append(f"| {target.name} | {cells} |")
    return "\n".join(lines)


def _built(target: Target, options: Sequence[str], *, lto: bool) -> Counter[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="edgekit-sizes-") as name:
        folder = Path(name)
        flags = (*target.flags, *_FLAGS, *WARNINGS, *(["-flto"] if lto else []))
        sources = [*sorted((LIBRARY / "src").glob("*.c")), LIBRARY / "tests" / "size_main.c"]
        _run(
            [target.compiler, *flags, *(f"-D{one}" for one in options), "-c", *map(str, sources)],
            folder,
        )
        objects = [str(folder / f"{source.stem}.o") for source in sources]
        _run(
            [target.compiler, *flags, *objects, *target.link, *_LINK,
             f"-Wl,-Map={folder / 'map'}", "-o", str(folder / "elf")],
            folder,
        )  # fmt: skip
        return _sections((folder / "map").read_text())


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        done.check_returncode()


def _sections(linker_map: str) -> Counter[tuple[str, str]]:
    """Bytes by section and file of what the linker kept."""
    kept: Counter[tuple[str, str]] = Counter()
    placed = linker_map.split("Linker script and memory map")[1]
    for found in re.finditer(
        r"^ (\.[\w.$]+)\s+0x[0-9a-f]+\s+0x([0-9a-f]+)\s+(\S+)$", placed, re.MULTILINE
    ):
        kept[found[1], Path(found[3]).name] += int(found[2], 16)
    return kept


def main() -> int:
    """Prints the table."""
    print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
