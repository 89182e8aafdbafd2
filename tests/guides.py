"""Runs the examples of a guide as they are printed."""

import re
from pathlib import Path

_DOCS = Path(__file__).parents[1] / "docs"


def run_examples(name: str) -> int:
    """Runs all Python blocks of a page in `docs` as one program; how many there are."""
    text = (_DOCS / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(block, names)
    return len(blocks)
