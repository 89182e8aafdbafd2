"""A classifier of uint8 pictures learns from files, decoded and augmented in a thread."""

from pathlib import Path

import cv2
import numpy as np
import onnx_ir as ir
import pytest

from edgekit.bundle import InputSpec, PictureRule
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.train import compile_step, evaluate, fit
from edgekit.train.data.augment import Augment
from edgekit.train.data.pictures import Pictures, class_folders
from edgekit.train.losses import CrossEntropy
from edgekit.train.metrics import accuracy
from edgekit.train.optimizers import Adam

RULE = PictureRule(height=8, width=8)
SPEC = InputSpec(name="image", dtype="uint8", shape=RULE.tensor_shape(), picture=RULE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures of noise; the rows of one class grow brighter downwards, of the other upwards."""
    rng = np.random.default_rng(0)
    slope = np.linspace(0, 120, 16)[:, np.newaxis, np.newaxis]
    for name, light in (("down", slope), ("up", slope[::-1])):
        (tmp_path / name).mkdir()
        for number in range(20):
            picture = light + rng.integers(0, 120, (16, 16, 3))
            cv2.imwrite(str(tmp_path / name / f"{number:02}.png"), picture.astype(np.uint8))
    return tmp_path


def classifier() -> ir.Model:
    rng = np.random.default_rng(0)
    build = GraphBuilder("pictures")
    image = build.input("image", np.uint8, RULE.tensor_shape())
    scaled = build.op("Mul", build.op("Cast", image, to=1), np.float32(1 / 255))
    kernel = build.constant(rng.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32), "kernel")
    value = build.op("Conv", build.op("Transpose", scaled, perm=[0, 3, 1, 2]), kernel)
    value = build.op("Flatten", build.op("Relu", value), axis=1)
    head = build.constant(rng.normal(0, 0.1, (144, 2)).astype(np.float32), "head")
    scores = build.op("Softmax", build.op("MatMul", value, head), axis=1)
    return build.finish(scores=(scores, np.float32, (1, 2)))


def test_it_learns_the_same_twice(folder: Path) -> None:
    paths, classes, _ = class_folders(folder)
    augment = Augment(flip=True, crop=0.2, rotation=10, brightness=0.1, noise=2)
    training = Pictures(paths, classes, SPEC, augment=augment)
    step = compile_step(classifier(), CrossEntropy(), Adam(), rows=8)
    first, second = (fit(step, training, epochs=8, rate=0.01, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.parameters["kernel"], second.parameters["kernel"])
    judged = evaluate(step, first.parameters, Pictures(paths, classes, SPEC))
    assert accuracy(judged.outputs, judged.targets) > 0.95


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "up" / "07.png").write_bytes(b"no picture")
    paths, classes, _ = class_folders(folder)
    step = compile_step(classifier(), CrossEntropy(), Adam(), rows=8)
    with pytest.raises(InputError, match=r"07\.png: not a picture"):
        fit(step, Pictures(paths, classes, SPEC), epochs=1, rate=0.01)
