"""The report of a measurement: its guide's example, and its tables."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from edgekit.bench.report import BenchReport

GUIDE = (Path(__file__).parents[2] / "docs" / "bench.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example() -> bytes:
    (found,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    return found.encode()  # type: ignore[no-any-return]


def test_the_guides_example_is_a_report_with_every_field(example: bytes) -> None:
    report = msgspec.json.decode(example, type=BenchReport, strict=True)
    assert json.loads(msgspec.json.encode(report)) == json.loads(example)


def test_the_guide_explains_every_field(example: bytes) -> None:
    table = GUIDE[GUIDE.index("| field | holds |") :]
    names = set(re.findall(r'"(\w+)":', example.decode()))
    assert names == {name for name in names if f"`{name}`" in table}


def test_what_nothing_was_measured_of_is_left_blank(example: bytes) -> None:
    report = msgspec.json.decode(example, type=BenchReport)
    first, second = report.results
    blank = msgspec.structs.replace(second, memory=None, energy_mj=None)
    time, stages, takes = msgspec.structs.replace(report, results=(first, blank)).tables()
    assert [len(set(map(len, table))) for table in (time, stages, takes)] == [1, 1, 1]
    assert takes[1][-1] == "31.2 mJ"
    assert takes[2][1:] == ("", "", "", "")
    assert time[2][-1] == "0.806 (0.774-0.841)"


def test_what_is_left_out_and_heat_are_told_a_line_each(example: bytes) -> None:
    report = msgspec.json.decode(example, type=BenchReport)
    hot = msgspec.structs.replace(report.heat, held_back=True)
    lines = msgspec.structs.replace(report, heat=hot).lines()
    assert lines[0].startswith("A litert does not run here: a .tflite model needs LiteRT")
    assert lines[1] == "temperature: 51 C, then 54 C"
    assert "held back" in lines[2]
    assert lines[3] == "energy by RAPL: package-0; idle power is in it"
