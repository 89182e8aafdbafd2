"""The C library compiles without a warning wherever it should, and keeps what it promises."""

import re
from pathlib import Path

import pytest

from tests.firmware_bridge.compilers import VECTORS, built, need_compiler, run
from tools.bridge_sizes import LIBRARY, TARGETS, WARNINGS, flash_bytes, ram_bytes

SOURCES = sorted((LIBRARY / "src").glob("*.c"))
BY_NAME = {target.name: target for target in TARGETS}
COMPILERS = {
    "gcc": ("gcc", ()),
    "clang": ("clang", ()),
    **{target.name: (target.compiler, target.flags) for target in TARGETS},
    "ATmega328P": ("avr-gcc", ("-mmcu=atmega328p",)),
}


@pytest.mark.parametrize("name", COMPILERS)
def test_it_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    compiler, flags = COMPILERS[name]
    need_compiler(compiler)
    for source in SOURCES:
        run([compiler, *flags, *WARNINGS, "-Os", "-Iinclude", "-c", str(source),
             "-o", str(tmp_path / "object.o")])  # fmt: skip
    assert len(SOURCES) > 5


def test_its_headers_are_cxx_too(tmp_path: Path) -> None:
    need_compiler("g++")
    source = tmp_path / "sketch.cpp"
    source.write_text(
        '#include "ek_link.h"\n'
        "uint8_t receive[EK_RECEIVE_SIZE(128)], transmit[EK_TRANSMIT_SIZE(508)];\n"
        "int16_t one;\n"
        "int main() { ek_link link; return ek_link_send_int16(&link, 0, 0, &one, 1); }\n"
    )
    run(["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-Iinclude", "-fsyntax-only",
         str(source)])  # fmt: skip


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_its_own_tests_pass(compiler: str, tmp_path: Path) -> None:
    need_compiler(compiler)
    if compiler == "clang":
        # Its sanitizers are a package of their own; gcc's have looked already.
        need_compiler("make")
        run(["make", "-s", f"OUT={tmp_path}", "CC=clang", "SANITIZE=", str(tmp_path / "ek_tests")])
        said = run([str(tmp_path / "ek_tests"), str(VECTORS)])
    else:
        said = run([str(built("ek_tests", tmp_path)), str(VECTORS)])
    found = re.fullmatch(r"(\d+) claims, 0 failed\n", said)
    assert found is not None
    assert int(found[1]) > 10_000


@pytest.mark.parametrize(
    "size", ["EK_RECEIVE_SIZE(63)", "EK_RECEIVE_SIZE(509)", "EK_TRANSMIT_SIZE(40)"]
)
def test_a_buffer_that_cannot_be_does_not_compile(size: str, tmp_path: Path) -> None:
    need_compiler("gcc")
    source = tmp_path / "wrong.c"
    source.write_text(f'#include "ek_link.h"\nuint8_t buffer[{size}];\n')
    with pytest.raises(pytest.fail.Exception, match="negative"):
        run(["gcc", "-std=c99", "-Iinclude", "-fsyntax-only", str(source)])


def test_it_has_no_heap_and_no_variables_of_its_own(tmp_path: Path) -> None:
    need_compiler("gcc")
    outside = set()
    for source in SOURCES:
        made = tmp_path / f"{source.stem}.o"
        run(["gcc", "-std=c99", "-Os", "-fno-stack-protector", "-Iinclude", "-c", str(source),
             "-o", str(made)])  # fmt: skip
        symbols = [line.split()[-2:] for line in run(["nm", str(made)]).splitlines()]
        assert not [name for kind, name in symbols if kind in "bBdDcC"], source.name
        outside |= {name for kind, name in symbols if kind == "U" and not name.startswith("ek_")}
    assert outside <= {"memset", "memcpy", "memmove", "memcmp", "strlen", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc", "avr-gcc"])
def test_the_guides_example_compiles_as_it_stands(compiler: str, tmp_path: Path) -> None:
    need_compiler(compiler)
    found = re.search(r"```c\n(.*?)```", (LIBRARY / "README.md").read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "example.c").write_text(found[1])
    core = {"arm-none-eabi-gcc": ["-mcpu=cortex-m0"], "avr-gcc": ["-mmcu=atmega2560"]}
    run([compiler, *core.get(compiler, []), *WARNINGS, "-Os", "-Iinclude",
         "-c", str(tmp_path / "example.c"), "-o", str(tmp_path / "example.o")])  # fmt: skip


@pytest.mark.parametrize("core", ["Cortex-M0", "Cortex-M4"])
def test_it_takes_no_more_flash_and_ram_than_the_guide_says(core: str) -> None:
    target = BY_NAME[core]
    need_compiler(target.compiler)
    line = re.search(rf"^\| {core} \|(.*)\|$", (LIBRARY / "README.md").read_text(), re.MULTILINE)
    assert line is not None
    samples, predictions, whole, joined, link, ram = (
        int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\d", line[1])
    )
    spare = 1.05  # another compiler's version
    assert flash_bytes(target, ()) <= samples * spare
    assert flash_bytes(target) <= whole * spare
    assert samples < min(predictions, 4096)
    assert joined < whole
    assert ram_bytes(target) == (link, ram)
    assert ram <= 1.2 * 1024
