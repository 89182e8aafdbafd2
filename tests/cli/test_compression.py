"""Commands that compress, compare, and do one step."""

import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from edgekit.cli import COMMANDS, edgekit
from edgekit.cli.settings import options_of, settings_from
from edgekit.compress.steps import Quantize, function_of, runnable_steps
from tests.cli.running import run
from tests.samples import conv_net, pictures, save

RECIPE = '[input]\nconvention = "caffe"\n'


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder with a model, pictures and a recipe."""
    save(conv_net(), tmp_path / "m.onnx")
    pictures(tmp_path / "p", 24)
    (tmp_path / "r.toml").write_text(RECIPE)
    return tmp_path


def test_a_missed_gate_has_its_own_exit_code_and_says_what_was_found(given: Path) -> None:
    (given / "r.toml").write_text(f"{RECIPE}[gates]\nsize = '100 B'\n")
    done = run(
        "compress", given / "m.onnx", "--data", given / "p", "--recipe", given / "r.toml",
        "--out", given / "b", "--json",
    )  # fmt: skip
    assert done.returncode == 6
    document = json.loads(done.stdout)
    assert document["missed"][0]["gate"] == "size"
    assert "edgekit: error: size: " in done.stderr
    assert "Traceback" not in done.stderr
    assert (given / "b.report.html").is_file()
    assert not (given / "b").exists()


def test_both_formats_are_written_and_shown(given: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    done = CliRunner().invoke(
        edgekit,
        f"compress {given}/m.onnx --data {given}/p --recipe {given}/r.toml --out {given}/b "
        "--format onnx --format tflite",
    )
    assert done.exit_code == 0, done.output
    assert "onnxruntime" in done.output.splitlines()[0]
    assert "litert" in done.output.splitlines()[0]
    assert {path.name for path in (given / "b").iterdir()} >= {"model.onnx", "model.tflite"}


def test_a_search_prints_its_candidates_and_keeps_the_recipe(given: Path) -> None:
    done = CliRunner().invoke(
        edgekit,
        f"compress {given}/m.onnx --data {given}/p --recipe {given}/r.toml --out {given}/b "
        "--min-agreement 0.5 --tries 1",
    )
    assert done.exit_code == 0, done.output
    assert "<- chosen" in done.stdout
    assert (given / "b.search" / "recipe.toml").is_file()


def test_compare_says_how_far_apart_two_models_are(given: Path) -> None:
    done = CliRunner().invoke(
        edgekit,
        f"compare {given}/m.onnx {given}/m.onnx --data {given}/p --recipe {given}/r.toml --json",
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["second"]["measured"]["agreement"] == 1.0
    assert document["second"]["top1"][0] == 0.0
    shown = CliRunner().invoke(
        edgekit, f"compare {given}/m.onnx {given}/m.onnx --data {given}/p --recipe {given}/r.toml"
    )
    assert "0 of 24 answers differ" in shown.stdout


def test_every_step_that_can_be_done_is_a_command() -> None:
    assert set(runnable_steps()) <= set(COMMANDS)


def test_a_single_step_writes_one_file(given: Path) -> None:
    done = CliRunner().invoke(
        edgekit,
        f"quantize {given}/m.onnx --data {given}/p --recipe {given}/r.toml "
        f"--out {given}/q.onnx --full-range",
    )
    assert done.exit_code == 0, done.output
    assert f"wrote {given}/q.onnx" in done.stdout
    assert (given / "q.onnx").stat().st_size > 0


def test_a_steps_settings_are_its_options() -> None:
    options = {option.name for option in options_of(Quantize, function_of(Quantize))}
    assert options == set(Quantize.__struct_fields__)
    found = settings_from(Quantize, {"full_range": True, "keep": ("a/b=fp32", "c=fp32")})
    assert found == Quantize(full_range=True, keep={"a/b": "fp32", "c": "fp32"})
    assert settings_from(Quantize, {"full_range": None, "keep": ()}) == Quantize()


@pytest.mark.parametrize(
    ("values", "says"),
    [({"keep": ("conv1",)}, "--keep"), ({"keep": ("conv1=int3",)}, "--keep")],
)
def test_a_wrong_setting_names_its_option(values: dict[str, object], says: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        settings_from(Quantize, values)
    assert caught.value.param_hint == says


def test_dynamic_axes_are_fixed_by_a_shape(given: Path) -> None:
    import onnx

    model = onnx.load(given / "m.onnx")
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_param = "side"
    onnx.save(model, given / "d.onnx")
    np.save(given / "x.npy", np.random.default_rng(0).normal(90, 60, (20, 3, 16, 16)))
    command = f"compress {given}/d.onnx --data {given}/x.npy --out {given}/b"
    refused = run(*command.split())
    assert refused.returncode == 3
    assert "--input-shape" in refused.stderr
    done = CliRunner().invoke(edgekit, f"{command} --input-shape 1,3,16,16")
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(edgekit, f"{command} --input-shape 1,x").exit_code == 2


def test_help_needs_no_workstation_library() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom edgekit.cli import edgekit\n"
        "done = CliRunner().invoke(edgekit, ['--help'])\nassert 'quantize' in done.output\n"
        "print([name for name in ('onnx', 'onnx_ir', 'jinja2', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
