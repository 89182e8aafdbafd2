"""One bundle for all tests of engines: a little net as INT8, fp32 and fp16, ONNX and TFLite."""

import shutil
from pathlib import Path

import pytest

from edgekit.bundle import Bundle, open_bundle
from edgekit.compress import compress_model
from edgekit.compress.recipe import BundleRecipe, Recipe
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
