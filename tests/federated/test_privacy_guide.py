"""The example of docs/privacy.md runs as it is printed."""

from pathlib import Path

import pytest

from tests.guides import run_examples


def test_the_guides_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples("privacy.md") == 1
    assert capsys.readouterr().out == "0.1897 on each number; float32, int64\n"
