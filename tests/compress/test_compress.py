"""Compression end to end, on small models made here and on the real SqueezeNet."""

import csv
from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import open_bundle
from edgekit.compress import Recipe, compress_model, load_recipe, pack_model
from edgekit.compress.data import PictureFolder, open_data, read_labels
from edgekit.compress.recipe import CalibrateRecipe, InputRecipe
from edgekit.compress.steps import Quantize
from edgekit.errors import ConfigError, InputError, UnsupportedModel
from edgekit.graph.load import load_onnx
from edgekit.runtime.prediction import AnomalyScore, Classification
from edgekit.runtime.session import Session
from tests.samples import conv_net, pictures, save, window_model

CAFFE = InputRecipe(convention="caffe")


def test_a_picture_model_becomes_an_int8_bundle_that_runs(tmp_path: Path) -> None:
    model = save(conv_net(), tmp_path / "little net.onnx")
    folder = pictures(tmp_path / "pictures")
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=Recipe(input=CAFFE))
    manifest = made.bundle.manifest
    assert (manifest.name, manifest.input.dtype) == ("little-net", "uint8")
    assert made.report.artifact.agreement is not None
    assert made.report.artifact.agreement >= 0.8
    kinds = [node.op_type for node in load_onnx(made.bundle.path / "model.onnx").graph.node]
    assert "QuantizeLinear" in kinds
    assert "Cast" not in kinds  # pixels are read as they are
    report = (tmp_path / "b" / "report.html").read_text()
    assert "little-net" in report
    assert "http" not in report.replace("http-equiv", "")


def test_mode_none_keeps_every_answer(tmp_path: Path) -> None:
    model = save(conv_net(padding=1, softmax=False), tmp_path / "m.onnx")
    recipe = Recipe(input=CAFFE, steps=())
    folder = pictures(tmp_path / "pictures")
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)
    assert made.report.artifact.agreement == 1.0
    assert made.report.changed == ()


def test_the_way_pixels_are_fed_is_found_by_the_labels(tmp_path: Path) -> None:
    """Labels that the model itself gives under one convention lead back to it."""
    model = save(conv_net(), tmp_path / "m.onnx")
    folder = pictures(tmp_path / "pictures", count=24)
    recipe = Recipe(input=InputRecipe(convention="raw-bgr"), steps=())
    truth = compress_model(model, data=folder, out=tmp_path / "t", recipe=recipe)
    session = Session.open(truth.bundle.path)
    found = open_data(folder)
    assert isinstance(found, PictureFolder)
    assert session.bundle.manifest.input.picture is not None
    lines = ["file,class_index"]
    for name, pixels in zip(
        (path.name for path in found.paths),
        found.samples(session.bundle.manifest.input.picture).data,
        strict=True,
    ):
        prediction, _ = session.predict(pixels)
        assert isinstance(prediction, Classification)
        lines.append(f"{name},{prediction.top[0].id}")
    (folder / "labels.csv").write_text("\n".join(lines))
    again = compress_model(
        model,
        data=folder,
        out=tmp_path / "b",
        recipe=Recipe(steps=()),
    )
    assert again.report.original.top1 == 1.0


def test_arrays_calibrate_a_model_of_arrays(tmp_path: Path) -> None:
    model = save(conv_net(), tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(100, 60, (30, 3, 16, 16)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x, y=np.zeros(30, np.int64))
    made = compress_model(model, data=tmp_path / "x.npz", out=tmp_path / "b")
    assert made.bundle.manifest.input.shape == (1, 3, 16, 16)
    assert made.report.original.top1 is not None


def test_calibration_never_takes_more_than_half(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", count=10)
    recipe = Recipe(input=CAFFE, calibrate=CalibrateRecipe(samples=100))
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)
    assert made.report.held_out == 5


@pytest.mark.parametrize("what", ["empty", "mixed", "missing", "unreadable", "shape", "nan"])
def test_unusable_data_is_one_line_and_nothing_written(tmp_path: Path, what: str) -> None:
    model = save(conv_net(), tmp_path / "m.onnx")
    folder = tmp_path / "data"
    if what != "missing":
        pictures(folder, 0 if what in ("empty", "shape", "nan") else 8)
    if what in ("empty", "shape", "nan"):
        (folder / "labels.csv").unlink()
    if what in ("mixed", "shape"):
        np.save(folder / "x.npy", np.zeros((4, 5)))
    if what == "nan":
        np.save(folder / "x.npy", np.full((4, 3, 16, 16), np.nan))
    if what == "unreadable":
        (folder / "p00.png").write_bytes(b"not a picture")
    with pytest.raises(InputError) as caught:
        compress_model(model, data=folder, out=tmp_path / "b", recipe=Recipe(input=CAFFE))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b").exists()
    assert not list(tmp_path.glob(".b*"))


def test_a_recipe_that_contradicts_the_model_is_refused(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(input=InputRecipe(convention="caffe", height=224, width=224))
    with pytest.raises(ConfigError, match="224 x 224"):
        compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)


def test_labels_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    (tmp_path / "labels.txt").write_text("one\ntwo\n")
    with pytest.raises(InputError, match="2 labels"):
        compress_model(
            model,
            data=folder,
            out=tmp_path / "b",
            labels=tmp_path / "labels.txt",
            recipe=Recipe(input=CAFFE),
        )


def test_an_unknown_node_to_exclude_is_refused(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(input=CAFFE, steps=(Quantize(keep={"conv9": "fp32"}),))
    with pytest.raises(UnsupportedModel, match="conv9"):
        compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)


def test_a_misspelt_recipe_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('[[step]]\ndo = "quantize"\n')
    with pytest.raises(ConfigError, match="did you mean steps"):
        load_recipe(tmp_path / "r.toml")


@pytest.mark.parametrize("recipe", sorted(Path("models").glob("*/recipe.toml")), ids=str)
def test_every_recipe_of_ours_is_in_order(recipe: Path) -> None:
    assert load_recipe(recipe).name


def test_labels_are_read_from_lines_and_from_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("cat\ndog\n")
    (tmp_path / "b.json").write_text('{"0": "cat", "1": "dog"}')
    (tmp_path / "c.json").write_text('{"0": "cat", "2": "dog"}')
    assert read_labels(tmp_path / "a.txt") == read_labels(tmp_path / "b.json") == ("cat", "dog")
    with pytest.raises(InputError, match="c.json"):
        read_labels(tmp_path / "c.json")


def test_an_anomaly_model_is_packed_with_its_threshold(tmp_path: Path) -> None:
    model = save(window_model(), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="threshold"):
        pack_model(model, task="anomaly", out=tmp_path / "b")
    bundle = pack_model(model, task="anomaly", out=tmp_path / "b", threshold=2.0)
    assert (bundle.path / "model.onnx").read_bytes() == model.read_bytes()
    assert Session.open(bundle.path).predict(np.full((4, 2), 3.0))[0] == AnomalyScore(3.0, 2.0)


def test_logits_are_recognised_when_packing(tmp_path: Path) -> None:
    logits = save(conv_net(softmax=False), tmp_path / "logits.onnx")
    scores = save(conv_net(), tmp_path / "scores.onnx")
    for model, kind in ((logits, "logits"), (scores, "scores")):
        bundle = pack_model(model, task="classification", out=tmp_path / kind)
        assert bundle.manifest.output.kind == kind


def some_photos(folder: Path, out: Path, *, every: int) -> Path:
    """A folder of links to one in `every` photos, with their labels."""
    out.mkdir()
    head, *lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    chosen = lines[::every]
    (out / "labels.csv").write_text("\n".join([head, *chosen]) + "\n", encoding="utf-8")
    for name in (next(csv.reader([line]))[0] for line in chosen):
        (out / name).symlink_to(folder / name)
    return out


@pytest.mark.data
def test_squeezenet_keeps_its_reference_accuracy(data: Path, tmp_path: Path) -> None:
    """fp32 with the preprocessing folded in: 63.0 % and 82.8 %, and the unfolded one's answers."""
    recipe = Recipe(
        input=InputRecipe(convention="caffe"),
        steps=(),
        labels=data / "images/imagenet_labels_1000.json",
    )
    made = compress_model(
        data / "models/squeezenet1.1.onnx",
        data=data / "images/dev",
        out=tmp_path / "b",
        recipe=recipe,
    )
    assert made.report.original.top1 == pytest.approx(0.630)
    assert made.report.original.top5 == pytest.approx(0.828)
    assert (made.report.artifact.top1, made.report.artifact.top5) == (0.63, 0.828)
    assert made.report.artifact.agreement == 1.0


@pytest.mark.data
def test_squeezenet_in_int8_keeps_nine_answers_in_ten(data: Path, tmp_path: Path) -> None:
    photos = some_photos(data / "images/dev", tmp_path / "photos", every=3)
    made = compress_model(
        data / "models/squeezenet1.1.onnx",
        data=photos,
        out=tmp_path / "b",
        recipe=Recipe(calibrate=CalibrateRecipe(samples=40)),
    )
    artifact = made.report.artifact
    assert artifact.agreement is not None
    assert artifact.agreement >= 0.92
    assert artifact.size_bytes < 0.3 * made.report.original.size_bytes
    assert "BGR" in str(made.report.facts["input"])  # found without a recipe
    assert open_bundle(tmp_path / "b").labels()[0].startswith("tench")


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "task", "kind"),
    [
        ("ad01_fp32.tflite", "anomaly", "reconstruction"),
        ("ad01_int8.tflite", "anomaly", "reconstruction"),
        ("pretrainedResnet.tflite", "classification", "scores"),
        ("pretrainedResnet_quant.tflite", "classification", "scores"),
    ],
)
def test_the_reference_tflite_models_are_packed_and_run(
    data: Path, tmp_path: Path, file: str, task: str, kind: str
) -> None:
    pytest.importorskip("ai_edge_litert")
    bundle = pack_model(
        data / "mlperf_tiny/models" / file,
        task=task,  # type: ignore[arg-type]
        out=tmp_path / "b",
        threshold=10.0 if task == "anomaly" else None,
    )
    assert bundle.manifest.output.kind == kind
    session = Session.open(bundle.path)
    if task == "anomaly":
        rows = np.fromfile(next((data / "mlperf_tiny/inputs/ad01").iterdir()), np.float32)
        prediction, _ = session.predict(rows[:640])
        assert isinstance(prediction, AnomalyScore)
        assert 0 < prediction.score < 100
    else:
        prediction, _ = session.predict(np.full((32, 32, 3), 90, np.uint8))
        assert isinstance(prediction, Classification)
        assert sum(found.p for found in prediction.top) <= 1.01
