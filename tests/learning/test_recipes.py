"""What `edgekit train` writes is what a board learns with."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.array import Array
from edgekit.cli import edgekit
from edgekit.learning import Arrays, Learner
from edgekit.learning.engine import LearnedEngine
from edgekit.learning.specs import TensorSpec

RECIPES = sorted(Path(__file__).parents[2].glob("models/*/training.toml"))


def some(spec: TensorSpec, count: int) -> Array:
    rng = np.random.default_rng(0)
    if spec.dtype == "float32":
        return rng.standard_normal((count, *spec.shape), np.float32)
    return rng.integers(0, spec.classes or 256, (count, *spec.shape)).astype(spec.dtype)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.parent.name)
def test_a_board_goes_on_from_each_recipe(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(edgekit, ["train", str(recipe), "--out", str(out), "--epochs", "1"])
    assert done.exit_code == 0, done.output
    learner = Learner(out / "train")
    first = learner.parameters
    data = Arrays(*(some(spec, 2 * learner.rows) for spec in learner.sample))
    learned = learner.train(data, epochs=1, rate=1e-3)
    assert np.isfinite(learned.losses).all()
    assert any((array != first[name]).any() for name, array in learner.parameters.items())
    judged = learner.evaluate(data)
    engine = LearnedEngine(out / "train", learner.parameters)
    (sample,) = data.batch(np.arange(1), (0,))[:1]
    np.testing.assert_allclose(
        engine.run(sample)[engine.outputs[0].name], judged.outputs[:1], rtol=1e-4, atol=1e-5
    )
