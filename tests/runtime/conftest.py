"""Bundles for the tests of engines: a little net in every form, and one large matrix."""

import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.bundle import Bundle, InputSpec, Manifest, OutputSpec, open_bundle, write_bundle
from edgekit.compress import compress_model
from edgekit.compress.golden import golden_file, golden_inputs
from edgekit.compress.recipe import BundleRecipe, Recipe
from edgekit.convert import to_tflite
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.samples import conv_net, pictures, save


@pytest.fixture(scope="session")
def _compressed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("variants")
    recipe = Recipe(formats=("onnx", "tflite"), bundle=BundleRecipe(variants=("fp32", "fp16")))
    model, data = save(conv_net(), folder / "little.onnx"), pictures(folder / "p")
    return compress_model(model, data=data, out=folder / "b", recipe=recipe).bundle.path


@pytest.fixture
def bundle(_compressed: Path, tmp_path: Path) -> Bundle:
    """A copy that the test may break."""
    return open_bundle(Path(shutil.copytree(_compressed, tmp_path / "bundle")))


@pytest.fixture(scope="session")
def large_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """One matrix of 4 MB, for both engines."""
    build = GraphBuilder("matrix")
    weights = np.random.default_rng(0).normal(0, 0.03, (1000, 1000)).astype(np.float32)
    product = build.op("MatMul", build.input("x", np.float32, (1, 1000)), weights)
    model = build.finish(y=(product, np.float32, (1, 1000)))
    out = tmp_path_factory.mktemp("large")
    files = {"model.onnx": ir.to_proto(model).SerializeToString(), "model.tflite": to_tflite(model)}
    for name, data in files.items():
        (out / name).write_bytes(data)
    spec = InputSpec(name="x", dtype="float32", shape=(1, 1000))
    engines = [OnnxRuntimeEngine(out / "model.onnx"), LiteRtEngine(out / "model.tflite")]
    files["golden.npz"] = golden_file(golden_inputs(spec, ()), None, engines, "y")
    manifest = Manifest(
        schema=1,
        name="matrix",
        version="1.0.0",
        task="raw",
        input=spec,
        output=OutputSpec(name="y", kind="raw"),
        models={"onnxruntime": "model.onnx", "litert": "model.tflite"},
        files={},
        golden="golden.npz",
    )
    return write_bundle(out / "b", manifest, files=files)
