"""The examples of docs/learning.md run as they are printed."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "learning.md"


def test_the_guides_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out
    figures = dict(re.findall(r"(\w+): (0\.\d+)", printed))
    assert float(figures["trained"]) > float(figures["untrained"]) + 0.03
    assert re.search(r"720 steps, loss \d\.\d\d -> 0\.0\d", printed)
    assert (tmp_path / "bundle" / "manifest.json").is_file()
