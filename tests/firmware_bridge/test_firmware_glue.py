"""The short examples for Arduino, Zephyr and ESP-IDF fit the library, and what they call of others.

Zephyr and ESP-IDF are not here: headers in `stubs` have of them what the examples call. So is
Arduino's core, where Debian's arduino-core-avr is not installed.
"""

from pathlib import Path

import pytest

from tests.firmware_bridge.compilers import need_compiler, run
from tools.bridge_sizes import LIBRARY

EXAMPLES = LIBRARY / "examples"
STUBS = Path(__file__).parent / "stubs"
CORE = Path("/usr/share/arduino/hardware/arduino/avr")
WARNINGS = ("-Wall", "-Wextra", "-Werror", f"-I{LIBRARY / 'include'}", "-fsyntax-only")
SKETCH = EXAMPLES / "arduino" / "bridge_sensor" / "bridge_sensor.ino"


@pytest.mark.parametrize("source", ["zephyr/src/main.c", "esp_idf/main/main.c"])
def test_an_example_in_c_compiles_against_what_it_calls(source: str) -> None:
    need_compiler("gcc")
    flags = ("-std=gnu11", "-Wconversion", "-Wshadow", f"-I{STUBS}")
    run(["gcc", *WARNINGS, *flags, str(EXAMPLES / source)])


def test_the_sketch_compiles_against_what_it_calls() -> None:
    need_compiler("g++")
    flags = ("-std=gnu++11", f"-I{STUBS}", "-include", "Arduino.h", "-x", "c++")
    run(["g++", *WARNINGS, *flags, str(SKETCH)])


def test_the_sketch_compiles_against_arduino_s_own_core() -> None:
    need_compiler("avr-gcc")
    if not CORE.is_dir():
        pytest.skip("Arduino's core is not installed: tools/apt.sh arduino-core-avr")
    flags = ("-mmcu=atmega2560", "-DF_CPU=16000000L", "-DARDUINO=10819", "-std=gnu++11", "-Os",
             f"-I{CORE / 'cores' / 'arduino'}", f"-I{CORE / 'variants' / 'mega'}")  # fmt: skip
    run(["avr-g++", *WARNINGS, *flags, "-include", "Arduino.h", "-x", "c++", str(SKETCH)])
