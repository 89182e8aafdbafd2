"""The examples of docs/training.md run as they are printed."""

import re
from pathlib import Path

import pytest

from tests.guides import run_examples


def test_the_guides_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_examples("training.md") == 2
    printed = capsys.readouterr().out
    score = re.search(r"epoch \d+: (0\.\d+|1\.0+)", printed)
    assert score is not None
    assert float(score[1]) > 0.9
    assert (tmp_path / "digits.onnx").is_file()
