"""The file: its bytes, its signature, its metadata, and how it stores weights."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from ai_edge_litert.interpreter import Interpreter

from edgekit import __version__
from edgekit.array import Array
from edgekit.convert import schema, to_tflite
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.litert_engine import LiteRtEngine
from tests.convert.engines import litert_gives, onnxruntime_gives, operators, require_same
from tests.convert.graphs import QuantizedBuilder, gives, normal
from tests.convert.test_integers import picture_net

ROOT = Path(__file__).resolve().parents[2]


def two_layers(width: int = 32) -> ir.Model:
    build = GraphBuilder("two")
    x = build.input("x", np.float32, (1, 8))
    hidden = build.op("Relu", build.op("MatMul", x, normal((8, width))))
    return gives(build, 2, y=build.op("MatMul", hidden, normal((width, 8), seed=1)))


def test_the_same_model_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    model = picture_net()[0]
    onnx.save(ir.to_proto(model), tmp_path / "m.onnx")
    code = (
        "import sys, hashlib, onnx_ir; from edgekit.convert import to_tflite\n"
        "data = to_tflite(onnx_ir.load(sys.argv[1]), check=False)\n"
        "print(hashlib.sha256(data).hexdigest(), len(data))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "m.onnx")],
            capture_output=True, text=True, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(told) == 1
    assert to_tflite(model) == to_tflite(model)


def test_the_model_is_left_as_it_is() -> None:
    model = picture_net()[0]
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    to_tflite(model, weights="float16", check=False)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_every_buffer_starts_at_a_multiple_of_16() -> None:
    data = to_tflite(picture_net()[0])
    buffers = schema.generated.Model.GetRootAs(data)
    starts = []
    for number in range(buffers.BuffersLength()):
        buffer = buffers.Buffers(number)
        if buffer.DataLength():
            starts.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    assert len(starts) > 10
    assert not any(start % 16 for start in starts)


def test_inputs_and_outputs_have_the_names_types_and_shapes_of_the_onnx(tmp_path: Path) -> None:
    build = GraphBuilder("names")
    picture = build.input("image", np.uint8, (1, 4, 5, 3))
    rows = build.input("serving_default/rows:0", np.float32, (2, 3))
    floats = build.op("Transpose", build.op("Cast", picture, to=1), perm=[0, 3, 1, 2])
    total = build.op("ReduceMean", floats, axes=[1, 2, 3], keepdims=0)
    model = build.finish(
        scores=(build.op("Add", rows, total), np.float32, (2, 3)),
        best=(build.op("ArgMax", rows, axis=1, keepdims=0), np.int64, (2,)),
    )
    interpreter = Interpreter(model_content=to_tflite(model))
    runner = interpreter.get_signature_runner()
    taken = {
        name: (detail["name"], detail["dtype"], tuple(detail["shape"]))
        for name, detail in runner.get_input_details().items()
    }
    assert taken == {
        "image": ("image", np.uint8, (1, 4, 5, 3)),
        "serving_default/rows:0": ("serving_default/rows:0", np.float32, (2, 3)),
    }
    given = {name: detail["dtype"] for name, detail in runner.get_output_details().items()}
    assert given == {"scores": np.float32, "best": np.int64}
    assert [detail["name"] for detail in interpreter.get_output_details()] == ["scores", "best"]


def test_edgekits_own_engine_runs_the_file(tmp_path: Path) -> None:
    model, feeds = picture_net()
    (tmp_path / "m.tflite").write_bytes(to_tflite(model))
    engine = LiteRtEngine(tmp_path / "m.tflite")
    assert [(info.name, info.dtype) for info in engine.inputs] == [("image", "uint8")]
    expected = onnxruntime_gives(model, feeds)["scores"]
    np.testing.assert_allclose(engine.run(feeds["image"])["scores"], expected, atol=1e-6)


def test_the_metadata_says_which_runtime_and_which_edgekit() -> None:
    model = schema.unpack(to_tflite(two_layers()))
    told = {
        entry.name.decode(): bytes(bytearray(model.buffers[entry.buffer].data))
        for entry in model.metadata
    }
    assert told["edgekit_version"].decode() == __version__
    assert told["min_runtime_version"] == b"1.5.0".ljust(16, b"\0")
    integer = schema.unpack(to_tflite(picture_net()[0]))
    runtime = bytes(bytearray(integer.buffers[integer.metadata[0].buffer].data))
    assert runtime.rstrip(b"\0") == b"1.14.0"


def test_half_weights_halve_the_file_and_keep_the_numbers_near() -> None:
    model, feeds = two_layers(512), {"x": normal((1, 8))}
    whole, half = to_tflite(model), to_tflite(model, weights="float16")
    assert len(half) < 0.6 * len(whole)
    assert operators(half).count("DEQUANTIZE") == 2
    expected = onnxruntime_gives(model, feeds)["y"]
    found = litert_gives(half, feeds)["y"]
    assert 0 < np.abs(found - expected).max() < 0.01 * np.abs(expected).max()


def test_weights_that_half_precision_cannot_hold_stay_whole() -> None:
    build = GraphBuilder("huge")
    x = build.input("x", np.float32, (1, 4))
    model = gives(build, 2, y=build.op("MatMul", x, normal((4, 4)) * np.float32(1e6)))
    used = require_same(model, {"x": normal((1, 4))}, weights="float16")
    assert used == ["FULLY_CONNECTED"]


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(InputError, match="float32 or float16, not 'int4'"):
        to_tflite(two_layers(), weights="int4")  # type: ignore[arg-type]


def test_equal_constants_are_stored_once() -> None:
    build = GraphBuilder("shared")
    x = build.input("x", np.float32, (1, 64))
    weights = build.constant(normal((64, 64)))
    value = build.op("MatMul", build.op("MatMul", x, weights), weights)
    assert len(to_tflite(gives(build, 2, y=value))) < 1.5 * 64 * 64 * 4


def codebook(build: GraphBuilder) -> tuple[ir.Value, Array]:
    book = normal((16,))
    indices = np.random.default_rng(0).integers(0, 16, (6, 4)).astype(np.int64)
    return build.op("Gather", build.constant(book), indices), book[indices]


def halves(build: GraphBuilder) -> tuple[ir.Value, Array]:
    half = normal((6, 4)).astype(np.float16)
    return build.op("Cast", build.constant(half), to=1), half.astype(np.float32)


def integers(build: GraphBuilder) -> tuple[ir.Value, Array]:
    stored = np.random.default_rng(0).integers(-7, 8, (6, 4)).astype(np.int8)
    value = build.op("DequantizeLinear", stored, np.float32(0.25), np.int8(2))
    return value, (stored - 2) * np.float32(0.25)


def turned_integers(build: GraphBuilder) -> tuple[ir.Value, Array]:
    stored = np.random.default_rng(0).integers(-7, 8, (4, 6)).astype(np.int8)
    scale = np.array([1, 2, 3, 4], np.float32)
    value = build.op("DequantizeLinear", stored, scale, np.zeros(4, np.int8), axis=0)
    return build.op("Transpose", value, perm=[1, 0]), (stored * scale[:, np.newaxis]).T


@pytest.mark.parametrize("made", [codebook, halves, integers, turned_integers])
def test_weights_that_the_graph_works_out_are_worked_out_beforehand(made) -> None:
    build = GraphBuilder("computed")
    x = build.input("x", np.float32, (2, 6))
    value, weights = made(build)
    used = require_same(gives(build, 2, y=build.op("MatMul", x, value)), {"x": normal((2, 6))})
    assert [code for code in used if code != "DEQUANTIZE"] == ["FULLY_CONNECTED"]
    assert weights.shape == (6, 4)


@pytest.mark.parametrize("axis", [0, 1])
def test_weights_in_blocks_of_4_bits_are_floats_of_their_layer(axis: int) -> None:
    stored = np.random.default_rng(0).integers(-8, 8, (8, 6)).astype(np.int8)
    scale = np.abs(normal((4, 6) if axis == 0 else (8, 3)))
    build = GraphBuilder("blocks")
    x = build.input("x", np.float32, (2, 8))
    weights = build.op("DequantizeLinear", stored, scale, None, axis=axis, block_size=2)
    model = gives(build, 2, y=build.op("MatMul", x, weights))
    model.graph.opset_imports[""] = 21
    model.ir_version = 10
    nibbles = ir.tensor(stored, dtype=ir.DataType.INT4)
    constant = next(v for v in model.graph.initializers.values() if v.dtype == ir.DataType.INT8)
    constant.const_value, constant.type = nibbles, ir.TensorType(ir.DataType.INT4)
    nibbles.name = constant.name
    assert require_same(model, {"x": normal((2, 8))}) == ["FULLY_CONNECTED"]


def test_integer_weights_that_the_graph_turns_stay_integers() -> None:
    build = QuantizedBuilder("turned")
    x = build.quantized(build.input("x", np.float32, (2, 4)), 0.05, 128)
    scale = np.array([0.1, 0.2, 0.3], np.float32)
    stored = np.random.default_rng(0).integers(-60, 60, (3, 4)).astype(np.int8)
    weights = build.op("DequantizeLinear", stored, scale, np.zeros(3, np.int8), axis=0)
    value = build.op("MatMul", x, build.op("Transpose", weights, perm=[1, 0]))
    data = to_tflite(gives(build, 2, y=build.quantized(value, 0.9, 128)))
    assert operators(data) == ["QUANTIZE", "FULLY_CONNECTED", "DEQUANTIZE"]
