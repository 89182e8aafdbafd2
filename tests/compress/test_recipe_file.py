"""Recipes written as TOML are read back as they were."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.compress import Recipe, load_recipe
from edgekit.compress.recipe import CalibrateRecipe, Gates, InputRecipe
from edgekit.compress.recipe_file import recipe_toml
from edgekit.compress.steps import Precision, PruneChannels, Quantize

NAMES = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=12
)
STEPS = st.lists(
    st.one_of(
        st.builds(
            Quantize,
            full_range=st.booleans(),
            keep=st.dictionaries(NAMES, st.sampled_from(get_args(Precision)), max_size=3),
        ),
        st.builds(PruneChannels, keep_macs=st.floats(0.01, 1)),
    ),
    max_size=3,
).map(tuple)
RECIPES = st.builds(
    Recipe,
    steps=STEPS,
    formats=st.sampled_from([("onnx",), ("tflite",), ("onnx", "tflite")]),
    input=st.builds(
        InputRecipe,
        mean=st.none() | st.tuples(st.floats(-200, 200), st.floats(-200, 200)),
        pad=st.integers(0, 255),
    ),
    calibrate=st.builds(CalibrateRecipe, samples=st.integers(1, 10**6)),
    gates=st.builds(Gates, agreement=st.none() | st.floats(0.01, 1), size=st.just("480 kB")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(RECIPES)
def test_a_recipe_is_read_back_as_it_was(tmp_path: Path, recipe: Recipe) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


def test_names_of_layers_that_toml_would_mistake_are_quoted(tmp_path: Path) -> None:
    recipe = Recipe(steps=(Quantize(keep={"fire2/expand.1": "fp32", 'a "b"\n\x7f': "fp32"}),))
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(path) == recipe


@pytest.mark.parametrize("path", sorted(Path("models").glob("*/recipe.toml")), ids=str)
def test_our_own_recipes_round_trip(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    (tmp_path / "again.toml").write_text(recipe_toml(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe
