"""The example of docs/secure_aggregation.md runs as printed; its table is what code plans."""

import re

import pytest

from edgekit.federated.secure.graph import Risks, neighbourhood_of
from tests.guides import _DOCS, run_examples

GUIDE = "secure_aggregation.md"


def test_the_guides_example_prints_what_the_guide_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_examples(GUIDE) == 1
    printed = capsys.readouterr().out.strip()
    assert f"prints `{printed}`" in (_DOCS / GUIDE).read_text(encoding="utf-8")


def test_the_guides_neighbours_are_those_of_the_plan() -> None:
    text = (_DOCS / GUIDE).read_text(encoding="utf-8")
    boards, shapes = (
        [cell.strip() for cell in re.search(rf"^\| {row} \|(.*)\|$", text, re.M)[1].split("|")]
        for row in ("boards", "degree, threshold")
    )
    assert len(boards) == 5
    for count, shape in zip(boards, shapes, strict=True):
        found = neighbourhood_of(int(count.replace(",", "")), Risks())
        assert shape == "{}, {}".format(*found)
