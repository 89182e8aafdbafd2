"""What tells one training step from another."""

from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import BundleError
from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import perceptron
from edgekit.learning.federated.identity import step_digest
from edgekit.train.losses import CrossEntropy


def _step(folder: Path, *, sizes: tuple[int, ...] = (4, 3, 2), seed: int = 0) -> Path:
    compile_federated_step(perceptron(sizes, seed), CrossEntropy(), rows=4).save(folder)
    return folder


def test_newer_parameters_of_a_step_change_nothing(tmp_path: Path) -> None:
    first, second = _step(tmp_path / "a", seed=0), _step(tmp_path / "b", seed=1)
    with np.load(first / "parameters.npz") as one, np.load(second / "parameters.npz") as other:
        assert (one["w0"] != other["w0"]).any()
    assert step_digest(first) == step_digest(second)
    assert len(step_digest(first)) == 12


def test_another_model_or_another_kind_of_step_is_another(tmp_path: Path) -> None:
    first, second = _step(tmp_path / "a"), _step(tmp_path / "b", sizes=(4, 5, 2))
    model = perceptron((4, 3, 2), 0)
    compile_federated_step(model, CrossEntropy(), rows=4, proximal=True).save(tmp_path / "c")
    assert len({step_digest(f) for f in (first, second, tmp_path / "c")}) == 3


@pytest.mark.parametrize("name", ["step.onnx", "parameters.npz"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    folder = _step(tmp_path / "a")
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        step_digest(folder)
