import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "quantum.md"


def test_the_guide_s_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    [example] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example, str(GUIDE), "exec"), {})
    printed = capsys.readouterr().out
    assert "RBF SVM accuracy: " in printed
    assert "class_0 [[" in printed
