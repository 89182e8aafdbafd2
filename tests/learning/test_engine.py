from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.bundle import write_bundle
from edgekit.compress import pack_model
from edgekit.errors import BundleError, InputError
from edgekit.learning import Learner
from edgekit.learning.engine import LearnedEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.prediction import Classification
from edgekit.runtime.session import Session
from tests.learning.steps import ROWS, compiled, some_digits


def test_a_board_learns_in_place_from_a_bundle_and_uses_what_it_learned(tmp_path: Path) -> None:
    step = compiled()
    ir.save(step.model, tmp_path / "digits.onnx")
    packed = pack_model(tmp_path / "digits.onnx", task="classification", out=tmp_path / "packed")
    files = {name: (packed.path / name).read_bytes() for name in packed.manifest.files}
    files |= {f"train/{name}": data for name, data in step.files().items()}
    bundle = write_bundle(tmp_path / "bundle", packed.manifest, files=files)

    learner = Learner(bundle.path / "train")
    data, validation = some_digits()
    learner.train(data, epochs=3, rate=0.01)
    session = Session(bundle, LearnedEngine(bundle.path / "train", learner.parameters))
    pixels, classes = validation.batch(np.arange(100), (0,))
    right = 0
    for picture, target in zip(pixels, classes, strict=True):
        prediction, _ = session.predict(picture)
        assert isinstance(prediction, Classification)
        right += prediction.top[0].id == target
    assert right > 80


def test_it_says_what_the_trained_model_says(folder: Path) -> None:
    learner = Learner(folder)
    data, validation = some_digits()
    learner.train(data, epochs=1, rate=0.01)
    trained = compiled().trained(learner.parameters)
    theirs = OnnxRuntimeEngine(ir.to_proto(trained).SerializeToString())
    ours = LearnedEngine(folder, learner.parameters)
    assert (list(ours.inputs), list(ours.outputs)) == (list(theirs.inputs), list(theirs.outputs))
    pixels, _ = validation.batch(np.arange(ROWS), (0,))
    for picture in pixels:
        expected = theirs.run(picture[np.newaxis])
        found = ours.run(picture[np.newaxis])
        assert found.keys() == expected.keys()
        np.testing.assert_allclose(found["out"], expected["out"], atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"w1": None}, "'w1' is missing"),
        ({"w9": np.zeros(3, np.float32)}, "'w9' is none that the step trains"),
        ({"w1": np.zeros((3, 3), np.float32)}, "'w1' has another shape"),
        ({"b1": np.full(10, np.inf, np.float32)}, "'b1' holds NaN"),
    ],
)
def test_parameters_of_another_bundle_are_refused(
    folder: Path, changed: dict[str, Array | None], message: str
) -> None:
    given = Learner(folder).parameters | changed
    with pytest.raises(InputError, match=message):
        LearnedEngine(folder, {name: a for name, a in given.items() if a is not None})


@pytest.mark.parametrize("tensor", [np.zeros((2, 64), np.float32), np.zeros((1, 64))])
def test_a_tensor_that_does_not_fit_is_refused(folder: Path, tensor: Array) -> None:
    with pytest.raises(InputError, match=r"takes float32 \[1, 64\]"):
        LearnedEngine(folder, Learner(folder).parameters).run(tensor)


def test_a_folder_without_an_evaluation_is_refused(folder: Path) -> None:
    parameters = Learner(folder).parameters
    (folder / "evaluate.onnx").unlink()
    with pytest.raises(BundleError, match=r"evaluate.onnx: cannot be read"):
        LearnedEngine(folder, parameters)
