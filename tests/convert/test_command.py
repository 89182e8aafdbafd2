"""`edgekit convert`: writes a file that runs, or one clear line."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgekit.cli.convert import convert
from edgekit.errors import EdgekitError, InputError, UnsupportedModel
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.litert_engine import LiteRtEngine
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.convert.graphs import gives, normal
from tests.convert.test_integers import picture_net
from tests.samples import conv_net, save


def run(*arguments: object) -> Result:
    return CliRunner().invoke(convert, [*map(str, arguments)])


def test_a_float_model_becomes_a_file_that_says_the_same(tmp_path: Path) -> None:
    source, out = save(conv_net(), tmp_path / "m.onnx"), tmp_path / "m.tflite"
    done = run(source, "--out", out)
    assert done.exit_code == 0, done.output
    assert f"wrote {out}: {out.stat().st_size:,} bytes" in done.output
    x = normal((1, 3, 16, 16))
    expected = OnnxRuntimeEngine(source).run(x)["out"]
    np.testing.assert_allclose(LiteRtEngine(out).run(x)["out"], expected, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "m.tflite"]


def test_a_quantised_model_becomes_a_file_that_says_the_same(tmp_path: Path) -> None:
    model, feeds = picture_net()
    source, out = save(model, tmp_path / "m.onnx"), tmp_path / "m.tflite"
    document = json.loads(run(source, "--out", out, "--json").stdout)
    assert document["size_bytes"] == out.stat().st_size
    assert document["agreement"][0]["output"] == "scores"
    assert document["agreement"][0]["relative"] < 1e-5
    expected = OnnxRuntimeEngine(source).run(feeds["image"])["scores"]
    np.testing.assert_allclose(LiteRtEngine(out).run(feeds["image"])["scores"], expected, atol=1e-6)


def test_half_weights_make_a_smaller_file(tmp_path: Path) -> None:
    build = GraphBuilder("wide")
    x = build.input("x", np.float32, ("N", 64))
    source = save(gives(build, 2, y=build.op("MatMul", x, normal((64, 64)))), tmp_path / "m.onnx")
    for weights in ("float32", "float16"):
        assert (
            run(source, "--out", tmp_path / f"{weights}.tflite", "--weights", weights).exit_code
            == 0
        )
    sizes = [(tmp_path / f"{name}.tflite").stat().st_size for name in ("float16", "float32")]
    assert sizes[0] < 0.7 * sizes[1]


def test_an_input_shape_fixes_dynamic_axes(tmp_path: Path) -> None:
    build = GraphBuilder("dynamic")
    x = build.input("x", np.float32, (1, 3, "H", "W"))
    model = gives(build, 4, y=build.op("Conv", x, normal((4, 3, 3, 3))))
    source, out = save(model, tmp_path / "m.onnx"), tmp_path / "m.tflite"
    assert "dynamic axes" in str(run(source, "--out", out).exception)
    assert run(source, "--out", out, "--input-shape", "1,3,8,8").exit_code == 0
    assert LiteRtEngine(out).outputs[0].shape == (1, 4, 6, 6)


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ("none.onnx --out b.tflite", InputError, "no such file"),
        ("text.onnx --out b.tflite", UnsupportedModel, "text.onnx"),
        ("m.onnx --out b.onnx", InputError, "must end in .tflite"),
        ("m.onnx --out there.tflite", InputError, "--force"),
        ("m.onnx --out none/b.tflite", InputError, "no folder none"),
        ("erf.onnx --out b.tflite", UnsupportedModel, "erf.onnx: cannot be written as TFLite"),
        ("m.onnx --out b.tflite --input-shape 1,2", InputError, "--input-shape"),
    ],
)
def test_a_mistake_is_one_clear_line_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    kind: type[EdgekitError],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    save(conv_net(), tmp_path / "m.onnx")
    build = GraphBuilder("erf")
    x = build.input("x", np.float32, (2, 3))
    save(gives(build, 2, y=build.op("Erf", x)), tmp_path / "erf.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "there.tflite").write_text("mine")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    error = run(*arguments.split()).exception
    assert isinstance(error, kind)
    assert says in str(error)
    assert "\n" not in str(error)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_shape_that_is_no_numbers_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    done = run("m.onnx", "--out", "b.tflite", "--input-shape", "big")
    assert done.exit_code == 2
    assert "not numbers with commas" in done.output
