"""The examples of docs/learning.md run as they are printed."""

import re
from pathlib import Path

import pytest

from tests.guides import run_examples


def test_the_guides_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples("learning.md") == 3
    printed = capsys.readouterr().out
    figures = dict(re.findall(r"(\w+): (0\.\d+)", printed))
    assert float(figures["trained"]) > float(figures["untrained"]) + 0.03
    assert re.search(r"720 steps, loss \d\.\d\d -> 0\.0\d", printed)
    assert (tmp_path / "bundle" / "manifest.json").is_file()
