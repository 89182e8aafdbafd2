"""The examples of docs/training.md run as they are printed."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "training.md"


def test_the_guides_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    score = re.search(r"epoch \d+: (0\.\d+|1\.0+)", printed)
    assert score is not None
    assert float(score[1]) > 0.9
    assert (tmp_path / "digits.onnx").is_file()
