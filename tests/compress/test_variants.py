"""Float forms beside the integers: what they hold, and that they are the same each time."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.bundle import archive_bytes
from edgekit.compress import Goals, compress_model, search_recipe
from edgekit.compress.recipe import BundleRecipe, Recipe
from edgekit.compress.recipe_file import recipe_toml
from edgekit.config import load_toml
from edgekit.errors import ConfigError
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session
from tests.samples import conv_net, pictures, save

BOTH = Recipe(formats=("onnx", "tflite"), bundle=BundleRecipe(variants=("fp32", "fp16")))


def test_variants_are_measured_listed_and_reproducible(tmp_path: Path) -> None:
    model, data = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    made = [
        compress_model(model, data=data, out=tmp_path / name, recipe=BOTH) for name in ("a", "b")
    ]
    manifest = made[0].bundle.manifest
    assert [f"{each.name}/{each.engine}" for each in manifest.variants] == [
        "fp32/onnxruntime", "fp32/litert", "fp16/onnxruntime", "fp16/litert",
    ]  # fmt: skip
    for variant in manifest.variants:
        assert variant.measured is not None
        assert variant.measured.size_bytes == manifest.files[variant.file].size_bytes
        assert "under xz" in str(made[0].report.facts[f"{variant.name}/{variant.engine}"])
        session = Session.open(made[0].bundle.path, engine=variant.engine, variant=variant.name)
        assert check_golden(session) == 4
    names = {name for name in manifest.files if name.startswith("model")}
    for name in names:
        first, second = ((each.bundle.path / name).read_bytes() for each in made)
        assert first == second, name
    assert len(archive_bytes(made[0].bundle)) > 0


def test_half_precision_is_stored_and_widened_when_it_is_loaded(tmp_path: Path) -> None:
    model, data = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(bundle=BundleRecipe(variants=("fp32", "fp16")))
    bundle = compress_model(model, data=data, out=tmp_path / "b", recipe=recipe).bundle
    half = onnx.load(bundle.path / "model.fp16.onnx")
    kinds = {tensor.data_type for tensor in half.graph.initializer if len(tensor.dims) > 1}
    assert kinds == {onnx.TensorProto.FLOAT16}
    golden = bundle.golden()
    np.testing.assert_allclose(golden["fp16.onnxruntime"], golden["fp32.onnxruntime"], atol=2e-3)
    sizes = [(bundle.path / f"model.{name}.onnx").stat().st_size for name in ("fp32", "fp16")]
    assert sizes[1] < sizes[0]


def test_fp32_without_int8_would_be_the_model_itself(tmp_path: Path) -> None:
    model, data = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    recipe = Recipe(steps=(), bundle=BundleRecipe(variants=("fp32",)))
    with pytest.raises(ConfigError, match="fp32 already"):
        compress_model(model, data=data, out=tmp_path / "b", recipe=recipe)
    assert not (tmp_path / "b").exists()


def test_a_search_makes_no_variants_and_says_what_does(tmp_path: Path) -> None:
    model, data = save(conv_net(), tmp_path / "m.onnx"), pictures(tmp_path / "p")
    with pytest.raises(ConfigError, match="a search makes none"):
        search_recipe(model, data=data, out=tmp_path / "b", goals=Goals(agreement=0.5), recipe=BOTH)


def test_a_recipe_file_names_variants(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[bundle]\nvariants = ["fp16"]\n')
    recipe = load_toml(path, Recipe)
    assert recipe.bundle.variants == ("fp16",)
    path.write_text(recipe_toml(recipe))
    assert load_toml(path, Recipe) == recipe
    assert recipe.writing(()) is recipe
    assert recipe.writing((), ("fp32", "fp32")).bundle.variants == ("fp32",)
