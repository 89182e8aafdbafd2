"""What is measured of an artifact, of its layers, and of the data."""

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.bundle import InputSpec, open_bundle
from edgekit.compress import Recipe, compress_model
from edgekit.compress.data import PictureFolder, Prepared, open_data
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.compress.progress import Silent
from edgekit.compress.recipe import InputRecipe
from edgekit.compress.sensitivity import sensitivities
from edgekit.compress.sizes import OTHER, layer_sizes
from edgekit.compress.steps import Given, Quantize, run_step
from edgekit.compress.suspicion import suspicions
from edgekit.graph.build import GraphBuilder
from edgekit.graph.load import canonical
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.samples import conv_net, pictures, save

CAFFE = InputRecipe(convention="caffe")
SPEC = InputSpec(name="data", dtype="float32", shape=(1, 3, 16, 16))


def tensors(count: int = 6) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 60, SPEC.shape).astype(np.float32) for _ in range(count)]


def test_every_step_is_measured(tmp_path: Path) -> None:
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", 24)
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=Recipe(input=CAFFE))
    start, quantized = made.report.steps
    assert (start.do, quantized.do) == ("start", "quantize")
    assert (start.agreement, start.kl) == (1.0, pytest.approx(0, abs=1e-6))
    assert start.parameters == 8 * 27 + 8 + 8 * 4
    assert start.macs == quantized.macs == 14 * 14 * 8 * 27 + 8 * 4
    assert quantized.kl is not None
    assert 0 < quantized.kl < 0.1
    assert quantized.size_bytes == made.report.artifact.size_bytes
    assert quantized.travels_bytes == made.report.artifact.travels_bytes


def test_both_formats_come_from_one_recipe(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p", 24)
    recipe = Recipe(input=CAFFE, formats=("onnx", "tflite"))
    made = compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe)
    manifest = open_bundle(tmp_path / "b").manifest
    assert manifest.models == {"onnxruntime": "model.onnx", "litert": "model.tflite"}
    assert [artifact.engine for artifact in made.report.artifacts] == ["onnxruntime", "litert"]
    assert manifest.measured is not None
    assert manifest.measured.others["litert"].agreement is not None
    golden = made.bundle.golden()
    assert set(golden) == {"inputs", "fp32", "onnxruntime", "litert"}


def test_the_bundle_passes_its_self_test_with_each_engine(tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    from edgekit.runtime.selftest import check_golden
    from edgekit.runtime.session import Session

    model, folder = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(input=CAFFE, formats=("tflite", "onnx"))
    bundle = compress_model(model, data=folder, out=tmp_path / "b", recipe=recipe).bundle
    assert next(iter(bundle.manifest.models)) == "litert"
    for engine in bundle.manifest.models:
        assert check_golden(Session.open(bundle.path, engine=engine)) == 4


def test_golden_outputs_are_rounded_far_below_the_self_tests_tolerance() -> None:
    engine = OnnxRuntimeEngine(ir.to_proto(conv_net(softmax=False)).SerializeToString())
    inputs = golden_inputs(SPEC, tensors(1))
    data = golden_file(inputs, engine, [engine], "out")
    import io

    stored = np.load(io.BytesIO(data))["onnxruntime"]
    exact = np.stack([engine.run(tensor)["out"] for tensor in inputs])
    assert stored.dtype == exact.dtype
    error = np.abs(stored - exact) / np.maximum(1, np.abs(exact))
    assert 0 < error.max() <= 2**-12


def test_the_layer_that_matters_is_the_most_sensitive() -> None:
    build = GraphBuilder("two")
    rng = np.random.default_rng(0)
    x = build.input("x", np.float32, (1, 8))
    fine = rng.normal(0, 1, (8, 6)).astype(np.float32)
    faint = (1e-3 * rng.normal(0, 1, (8, 6))).astype(np.float32)
    strong = build.op("Gemm", x, fine, np.zeros(6, np.float32))
    weak = build.op("Gemm", x, faint, np.zeros(6, np.float32))
    scores = build.op("Softmax", build.op("Add", strong, weak), axis=1)
    model = build.finish(scores=(scores, np.float32, (1, 6)))
    samples = [rng.normal(0, 1, (1, 8)).astype(np.float32) for _ in range(8)]
    before = ir.to_proto(model).SerializeToString()
    first, second = sensitivities(model, samples)
    assert first.kl > 100 * second.kl >= 0
    assert (first.parameters, second.parameters) == (48, 48)
    assert ir.to_proto(model).SerializeToString() == before  # rounded weights are put back


def test_the_bytes_of_a_quantised_layer_are_found_behind_its_dequantisation() -> None:
    model = canonical(ir.to_proto(conv_net()), where="little")
    for node in model.graph:
        node.name = node.name or node.outputs[0].name
    given = Given(tensors(), original=model)
    quantized = run_step(Quantize(), model, given, progress=Silent()).model
    rows = {row.name: row for row in layer_sizes(model, quantized)}
    conv = next(node.name for node in model.graph if node.op_type == "Conv")
    assert rows[conv].original_bytes == 4 * (8 * 27 + 8)
    found = rows[conv].artifact_bytes
    assert found is not None
    assert 8 * 27 <= found < 2 * (8 * 27 + 8 * 8)
    total = sum(row.artifact_bytes or 0 for row in rows.values())
    constants = quantized.graph.initializers.values()
    assert total == sum(value.const_value.nbytes for value in constants if value.const_value)


def test_a_layer_that_is_gone_has_no_size_after() -> None:
    build = GraphBuilder("small")
    x = build.input("x", np.float32, (1, 4))
    y = build.op("MatMul", x, np.ones((4, 4), np.float32))
    small = build.finish(y=(y, np.float32, (1, 4)))
    gone = [row for row in layer_sizes(conv_net(), small) if row.artifact_bytes is None]
    assert gone
    assert all(row.name != OTHER for row in gone)


PLAIN = np.tile([0.0, 255.0], (40, 1))


def test_answers_that_hardly_move_are_suspicious() -> None:
    rng = np.random.default_rng(0)
    alike = 0.25 + rng.normal(0, 0.002, (40, 4))
    (text,) = suspicions(alike, None, np.tile([0.0, 1.0], (40, 1)), kind="scores")
    assert "hardly depends on the sample" in text
    assert "from 0 to 1" in text


def test_wholly_sure_answers_are_suspicious() -> None:
    (text,) = suspicions(np.eye(4)[np.arange(40) % 4], None, PLAIN, kind="scores")
    assert "saturate" in text


def test_an_original_no_better_than_guessing_is_suspicious() -> None:
    rng = np.random.default_rng(0)
    answers, targets = rng.dirichlet(np.ones(10), 200), rng.integers(0, 10, 200)
    found = suspicions(answers, targets, np.tile([0.0, 1.0], (200, 1)), kind="scores")
    assert any("guessing among 10 classes" in text for text in found)


def test_samples_of_unlike_scale_are_suspicious() -> None:
    rng = np.random.default_rng(0)
    ranges = PLAIN / 255
    ranges[3] *= 255
    (text,) = suspicions(rng.dirichlet(np.ones(10), 40), None, ranges, kind="scores")
    assert "unlike range" in text


def test_a_healthy_model_on_its_own_data_raises_no_suspicion() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 10, 200)
    answers = 0.6 * np.eye(10)[targets] + 0.4 * rng.dirichlet(np.ones(10), 200)
    assert suspicions(answers, targets, np.tile([0.0, 255.0], (200, 1)), kind="scores") == []


def test_data_of_the_wrong_range_is_warned_of(tmp_path: Path) -> None:
    """The net was made for 0-255; arrays of 0-1 leave its answer all but constant."""
    model = save(conv_net(), tmp_path / "m.onnx")
    x = np.random.default_rng(0).random((30, 3, 16, 16), np.float32)
    np.save(tmp_path / "x.npy", x)
    made = compress_model(model, data=tmp_path / "x.npy", out=tmp_path / "b")
    assert any("hardly depends" in warning for warning in made.report.warnings)
    right = np.concatenate([x[:15] * 255, -x[15:] * 255])
    np.save(tmp_path / "x.npy", right)
    made = compress_model(model, data=tmp_path / "x.npy", out=tmp_path / "c")
    assert not any("hardly depends" in warning for warning in made.report.warnings)


def test_big_samples_are_prepared_again_rather_than_kept(tmp_path: Path) -> None:
    folder = open_data(pictures(tmp_path / "p"))
    assert isinstance(folder, PictureFolder)
    rng = np.random.default_rng(0)
    data = [rng.normal(size=SPEC.shape) for _ in range(4)]
    few = Prepared(data, [3, 1], SPEC)
    assert isinstance(few.kept(), list)
    np.testing.assert_array_equal(few[1:][0], data[1].astype(np.float32))
    huge = Prepared(data, [0], InputSpec(name="x", dtype="float32", shape=(1, 10**9)))
    assert huge.kept() is huge
