from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.errors import BundleError
from edgekit.learning import Arrays, Learner
from edgekit.learning.files import open_step
from edgekit.train import compile_step
from edgekit.train.losses import CrossEntropy, Mse
from edgekit.train.optimizers import Sgd
from tests.learning.steps import ROWS, compiled
from tests.train.models import mlp

ONE = Arrays(np.zeros((1, 64), np.float32), np.zeros(1, np.int64))


def test_what_a_step_takes_is_read_from_its_files(folder: Path) -> None:
    files, step = open_step(folder), compiled()
    assert files.batch == step.batch
    assert set(files.state) == set(step.state)
    assert files.rows == ROWS
    assert [(spec.name, spec.shape, spec.classes) for spec in files.sample] == [
        ("x", (64,), None),
        ("target", (), 10),
    ]
    for name, array in files.parameters.items():
        np.testing.assert_array_equal(array, step.parameters[name])


@pytest.mark.parametrize("name", ["step.onnx", "parameters.npz", "evaluate.onnx"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"\x08PK")])
def test_a_missing_or_damaged_file_is_named(
    folder: Path, name: str, damage: Callable[[Path], object]
) -> None:
    damage(folder / name)
    with pytest.raises(BundleError, match=name):
        Learner(folder).evaluate(ONE)


def changed(folder: Path, **arrays: Array | None) -> None:
    with np.load(folder / "parameters.npz") as file:
        kept = dict(file) | arrays
    np.savez(folder / "parameters.npz", **{n: a for n, a in kept.items() if a is not None})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((64, 31), np.float32), "'w0' is no parameter of step.onnx"),
        (np.zeros((64, 32), np.float64), "'w0' is no parameter of step.onnx"),
        (np.full((64, 32), np.inf, np.float32), "'w0' holds NaN or infinity"),
    ],
)
def test_parameters_that_do_not_fit_the_step_are_refused(
    folder: Path, array: Array, message: str
) -> None:
    changed(folder, w0=array)
    with pytest.raises(BundleError, match=message):
        open_step(folder)


def test_an_object_among_the_parameters_is_never_unpickled(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
            return Path.touch, (folder / "sprung",)

    trap = np.array(Trap(), dtype=object)
    np.savez(folder / "parameters.npz", w0=trap)
    with pytest.raises(BundleError, match="Object arrays cannot be loaded"):
        open_step(folder)
    assert not (folder / "sprung").exists()


def test_parameters_of_another_model_are_refused(folder: Path) -> None:
    changed(folder, elsewhere=np.zeros(3, np.float32))
    with pytest.raises(BundleError, match="'elsewhere' is no parameter"):
        open_step(folder)
    np.savez(folder / "parameters.npz")
    with pytest.raises(BundleError, match="holds no parameters"):
        open_step(folder)


def test_an_evaluation_of_another_step_is_refused(folder: Path) -> None:
    other = compile_step(mlp((64, 16, 10)), CrossEntropy(), Sgd(), rows=ROWS)
    (folder / "evaluate.onnx").write_bytes(other.files()["evaluate.onnx"])
    with pytest.raises(BundleError, match="is no parameter of evaluate.onnx"):
        Learner(folder).evaluate(ONE)


def test_an_evaluation_of_another_loss_is_refused(folder: Path) -> None:
    other = compile_step(mlp(), Mse(), Sgd(), rows=ROWS)
    (folder / "evaluate.onnx").write_bytes(other.files()["evaluate.onnx"])
    with pytest.raises(BundleError, match="its step and its evaluation differ"):
        Learner(folder).evaluate(ONE)


def test_a_model_that_is_no_step_is_refused(folder: Path) -> None:
    (folder / "step.onnx").write_bytes((folder / "evaluate.onnx").read_bytes())
    with pytest.raises(BundleError, match="is no training step"):
        open_step(folder)
