"""Recipes for tests, as text, and the arrays that they name."""

from pathlib import Path

import numpy as np

RECIPE = """
epochs = 4
rows = 16
validation = 0.25

[model]
kind = "perceptron"
hidden = [8]

[data]
kind = "arrays"
path = "x.npz"

[loss]
kind = "cross-entropy"

[schedule]
kind = "constant"
rate = 0.02
"""


def recipe(folder: Path, **changes: str) -> Path:
    """`RECIPE` in a file; each change is text that takes the place of other text."""
    text = RECIPE
    for old, new in changes.items():
        before = {"loss": '"cross-entropy"', "rate": "0.02", "head": "epochs = 4"}.get(old, old)
        assert before in text
        text = text.replace(before, new)
    path = folder / "training.toml"
    path.write_text(text, encoding="utf-8")
    return path


def arrays(folder: Path, *, count: int = 96, classes: int = 3, features: int = 4) -> Path:
    """Points around as many centres as classes."""
    rng = np.random.default_rng(0)
    y = np.arange(count) % classes
    x = rng.normal(0, 0.4, (count, features)) + 3 * np.eye(features)[y % features]
    np.savez(folder / "x.npz", x=x.astype(np.float32), y=y)
    return folder / "x.npz"
