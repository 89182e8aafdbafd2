"""`edgekit train`, as a user calls it: what it writes, how it goes on, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.bundle import open_bundle
from tests.cli.running import run
from tests.zoo.training.recipes import arrays, recipe

MODELS = Path(__file__).resolve().parents[2] / "models"


def test_it_writes_a_model_a_step_and_a_report(tmp_path: Path) -> None:
    arrays(tmp_path)
    done = run("train", recipe(tmp_path), "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no curve where no terminal is
    report = json.loads(done.stdout)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["history"]) == 4
    written = {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")}
    assert {
        "model.onnx",
        "labels.txt",
        "report.html",
        "train/step.onnx",
        "train/evaluate.onnx",
        "train/parameters.npz",
    } <= written
    page = (tmp_path / "out" / "report.html").read_text()
    for text in ("Loss", "Accuracy on validation", "Learning rate", "What was taken for what"):
        assert text in page
    assert "http" not in page
    assert "<script" not in page
    assert "prefers-color-scheme: dark" in page


def test_what_it_writes_can_be_compressed(tmp_path: Path) -> None:
    data, out = arrays(tmp_path, count=200), tmp_path / "out"
    assert run("train", recipe(tmp_path), "--out", out).returncode == 0
    done = run("compress", out / "model.onnx", "--data", data, "--out", tmp_path / "b")
    assert done.returncode == 0, done.stderr


def test_a_picture_model_that_it_writes_can_be_compressed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, level in (("dark", 40), ("light", 200)):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for number in range(20):
            picture = np.clip(level + rng.normal(0, 20, (40, 44, 3)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / "pictures" / label / f"{number}.png"), picture)
    (tmp_path / "training.toml").write_text(
        """
        epochs = 1
        rows = 8
        model = {kind = "squeezenet", size = 40, width = 0.1}
        data = {kind = "pictures", path = "pictures"}
        loss = {kind = "cross-entropy"}
        """
    )
    done = run("train", tmp_path / "training.toml", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    model, bundle = tmp_path / "out" / "model.onnx", tmp_path / "b"
    done = run("compress", model, "--data", tmp_path / "pictures", "--out", bundle)
    assert done.returncode == 0, done.stderr
    assert open_bundle(bundle).manifest.input.shape == (1, 40, 40, 3)


def test_it_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    arrays(tmp_path)
    path = recipe(tmp_path)
    for out, epochs in (("whole", 4), ("parts", 2)):
        done = run("train", path, "--out", tmp_path / out, "--epochs", epochs)
        assert done.returncode == 0, done.stderr
    done = run("train", path, "--out", tmp_path / "parts")
    assert done.returncode == 2
    assert "is not empty; say --resume to go on, --force to replace it" in done.stderr
    done = run("train", path, "--out", tmp_path / "parts", "--resume")
    assert done.returncode == 0, done.stderr
    whole, parts = ((tmp_path / out / "model.onnx").read_bytes() for out in ("whole", "parts"))
    assert whole == parts


def test_there_has_to_be_something_to_go_on_from(tmp_path: Path) -> None:
    arrays(tmp_path)
    done = run("train", recipe(tmp_path), "--out", tmp_path / "new", "--resume")
    assert done.returncode == 2
    assert "holds no checkpoints to go on from" in done.stderr


def _no_samples(folder: Path) -> None:
    np.savez(folder / "x.npz", x=np.zeros((0, 4), np.float32), y=np.zeros(0, np.int64))


def _below_zero(folder: Path) -> None:
    np.savez(folder / "x.npz", x=np.zeros((40, 4), np.float32), y=np.arange(40) % 3 - 1)


def _far(folder: Path) -> None:
    y = np.arange(40) % 3
    y[5] = 10**12
    np.savez(folder / "x.npz", x=np.zeros((40, 4), np.float32), y=y)


def _not_finite(folder: Path) -> None:
    x = np.zeros((40, 4), np.float32)
    x[7, 2] = np.nan
    np.savez(folder / "x.npz", x=x, y=np.arange(40) % 3)


def _few(folder: Path) -> None:
    arrays(folder, count=12)


def _no_targets(folder: Path) -> None:
    np.savez(folder / "x.npz", x=np.zeros((40, 4), np.float32))


@pytest.mark.parametrize(
    ("data", "changes", "code", "said"),
    [
        (arrays, {"loss": '"cross-entrpy"'}, 2, "loss.kind: 'cross-entrpy' is unknown; did you m"),
        (_no_samples, {}, 2, "x.npz: holds no samples"),
        (_few, {}, 2, "9 samples do not fill a batch of 16"),
        (_below_zero, {}, 2, "x.npz: has the class -1; classes count from 0"),
        (_far, {}, 2, "x.npz: sample 5 has the class 1000000000000, of 4 classes that there are"),
        (_not_finite, {}, 2, "x.npz: sample 7 holds NaN or infinity"),
        (_no_targets, {}, 2, "the data has no classes"),
        (arrays, {"rate": "1e30", "head": "epochs = 4\nseed = 1"}, 2, "training diverged at step"),
        (arrays, {"head": "epochs = 4\ntrainable = ['hed.*']"}, 2, "no parameter is called 'hed"),
        (arrays, {"perceptron": "squeezenet", "hidden = [8]": ""}, 2, "a squeezenet takes"),
        (arrays, {"head": "epochs = 4\naugment = {flip = true}"}, 2, "augment changes pictures"),
        (arrays, {"x.npz": "y.npz"}, 2, "y.npz: no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_said_in_one_line(
    tmp_path: Path,
    data: Callable[[Path], object],
    changes: dict[str, str],
    code: int,
    said: str,
) -> None:
    data(tmp_path)
    done = run("train", recipe(tmp_path, **changes), "--out", tmp_path / "out")
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "model.onnx").exists()


def test_data_that_does_not_fit_a_file_is_refused(tmp_path: Path) -> None:
    arrays(tmp_path)
    assert run("train", recipe(tmp_path), "--out", tmp_path / "out").returncode == 0
    text = recipe(tmp_path).read_text()
    by_file = text.replace('kind = "perceptron"\nhidden = [8]', 'file = "out/model.onnx"')
    (tmp_path / "training.toml").write_text(by_file)
    arrays(tmp_path, features=5)
    done = run("train", tmp_path / "training.toml", "--out", tmp_path / "other")
    assert done.returncode == 2
    assert "the data gives [5] a sample, but" in done.stderr
    arrays(tmp_path, classes=4)
    done = run("train", tmp_path / "training.toml", "--out", tmp_path / "other")
    assert done.returncode == 2
    assert "target: the class 3 is not in 0..2" in done.stderr


def test_a_bundle_holds_what_a_board_needs_to_go_on_learning(tmp_path: Path) -> None:
    made = run("build", MODELS / "digits" / "recipe.toml", "--out", tmp_path / "b")
    assert made.returncode == 0, made.stderr
    names = set(open_bundle(tmp_path / "b").manifest.files)
    assert {"train/step.onnx", "train/evaluate.onnx", "train/parameters.npz"} <= names
    shown = run("inspect", tmp_path / "b")
    assert "golden vectors reproduced" in shown.stdout


def test_a_file_may_know_more_classes_than_the_data(tmp_path: Path) -> None:
    arrays(tmp_path, classes=4)
    assert run("train", recipe(tmp_path), "--out", tmp_path / "out").returncode == 0
    text = recipe(tmp_path).read_text()
    by_file = text.replace('kind = "perceptron"\nhidden = [8]', 'file = "out/model.onnx"')
    (tmp_path / "training.toml").write_text(by_file)
    arrays(tmp_path, classes=2)
    done = run("train", tmp_path / "training.toml", "--out", tmp_path / "other")
    assert done.returncode == 0, done.stderr
    labels = (tmp_path / "other" / "labels.txt").read_text().splitlines()
    assert labels == ["class 0", "class 1", "class 2", "class 3"]
