"""Two finished models against each other, and single steps on a file."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.compress import (
    Recipe,
    apply_step,
    compare_models,
    compress_model,
    pack_model,
)
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.steps import Quantize
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import load_onnx
from edgekit.runtime.engine import open_engine
from tests.samples import conv_net, pictures, save, window_bundle, window_model

CAFFE = InputRecipe(convention="caffe")


def test_a_file_against_the_bundle_made_of_it(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", 24)
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=Recipe(input=CAFFE))
    found = compare_models(model, tmp_path / "b", data=folder, convention=CAFFE)
    assert found.samples == 24
    assert found.first.top1 == made.report.original.top1
    assert found.second.measured.top1 == made.report.artifact.top1
    assert found.second.measured.size_bytes == made.report.artifact.size_bytes
    assert found.second.measured.kl is not None
    assert 0 < found.second.measured.kl < 0.1
    assert found.second.top1 is not None
    assert found.second.top1.low <= found.second.top1.change <= found.second.top1.high


def test_a_model_agrees_with_itself(tmp_path: Path) -> None:
    logits = save(conv_net(softmax=False), tmp_path / "logits.onnx")
    scores = save(conv_net(), tmp_path / "scores.onnx")
    x = np.random.default_rng(0).normal(0, 60, (12, 3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    found = compare_models(logits, scores, data=tmp_path / "x.npy")
    assert found.second.measured.agreement == 1.0
    assert found.second.measured.kl == pytest.approx(0, abs=1e-6)
    assert found.second.changed == ()


def test_models_of_bytes_can_be_compared(tmp_path: Path) -> None:
    build = GraphBuilder("bytes")
    pixels = build.input("pixels", np.uint8, (1, 12))
    weights = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
    scores = build.op("MatMul", build.op("Cast", pixels, to=ir.DataType.FLOAT), weights)
    path = tmp_path / "m.onnx"
    ir.save(build.finish(scores=(scores, np.float32, (1, 3))), path)
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(0, 256, (9, 12), np.uint8))
    assert compare_models(path, path, data=tmp_path / "x.npy").second.measured.agreement == 1.0


def test_models_that_see_pictures_in_different_sizes_can_be_compared(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "p")
    model = save(conv_net(), tmp_path / "m.onnx")
    cut = Recipe(input=InputRecipe(convention="caffe", fit="crop", resize_shorter=20))
    for name, recipe in (("a", Recipe(input=CAFFE)), ("b", cut)):
        compress_model(model, data=folder, out=tmp_path / name, recipe=recipe)
    found = compare_models(tmp_path / "a", tmp_path / "b", data=folder)
    assert found.samples == 12


def test_models_that_answer_otherwise_are_refused(tmp_path: Path) -> None:
    classifier = save(conv_net(), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 16, 16), np.float32))
    flat = save(window_model(16, 48), tmp_path / "w.onnx")
    with pytest.raises(InputError, match="cannot be compared"):
        compare_models(classifier, flat, data=tmp_path / "x.npy")


def test_anomaly_bundles_agree_by_their_verdict(tmp_path: Path) -> None:
    bundle = window_bundle(tmp_path / "a").path
    other = pack_model(bundle / "model.onnx", task="anomaly", out=tmp_path / "b", threshold=10.0)
    np.save(tmp_path / "x.npy", np.array([np.full((4, 2), level) for level in (1.0, 9.0, 12.0)]))
    found = compare_models(bundle, other.path, data=tmp_path / "x.npy")
    assert found.second.measured.agreement == 1.0
    assert found.second.measured.kl is None


def test_one_step_keeps_a_files_signature(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", 24)
    out = tmp_path / "sub" / "int8.onnx"
    found = apply_step(Quantize(), model, data=folder, out=out, recipe=Recipe(input=CAFFE))
    was, is_now = open_engine("onnxruntime", model), open_engine("onnxruntime", out)
    assert (is_now.inputs, is_now.outputs) == (was.inputs, was.outputs)
    assert "QuantizeLinear" in {node.op_type for node in load_onnx(out).graph.node}
    assert found.size_bytes == out.stat().st_size
    assert found.agreement >= 0.8
    with pytest.raises(InputError, match="--force"):
        apply_step(Quantize(), model, data=folder, out=out, recipe=Recipe(input=CAFFE))


def test_a_step_that_cannot_be_done_writes_nothing(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    with pytest.raises(UnsupportedModel, match=r"m\.onnx: quantize: .*conv9"):
        apply_step(
            Quantize(keep={"conv9": "fp32"}),
            model,
            data=folder,
            out=tmp_path / "o.onnx",
            recipe=Recipe(input=CAFFE),
        )
    assert not list(tmp_path.glob("*o.onnx*"))
