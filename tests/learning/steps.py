"""A compiled step in a folder, as a bundle brings it, and samples to learn from."""

from pathlib import Path

from edgekit.learning import Arrays
from edgekit.train import Step, compile_step
from edgekit.train.losses import CrossEntropy
from edgekit.train.optimizers import Adam
from tests.train.models import digits, mlp

ROWS = 32


def compiled(*, trainable: list[str] | None = None) -> Step:
    return compile_step(mlp(), CrossEntropy(), Adam(), rows=ROWS, trainable=trainable)


def saved(folder: Path) -> Path:
    compiled().save(folder / "train")
    return folder / "train"


def some_digits() -> tuple[Arrays, Arrays]:
    return digits(64)
