"""Loading ONNX files: old ones are raised, broken ones refused in one line."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.array import Array
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.load import canonical, load_onnx
from edgekit.graph.match import constant
from edgekit.graph.verify import random_feeds, require_same_outputs, snapshot
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.graph.generated import random_net
from tests.samples import conv_net, save

WEIGHTS = np.random.default_rng(0).normal(0, 1, (2, 3, 1, 1)).astype(np.float32)


def model_of(
    nodes: list[onnx.NodeProto],
    constants: dict[str, Array],
    *,
    shape: list[int | str] | None,
    out: list[int | str] | None,
    opset: int = 17,
) -> onnx.ModelProto:
    """One float input `x`, one float output `y`."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def old_model() -> onnx.ModelProto:
    """Opset 7, IR 3, initialisers listed as inputs, a Dropout and a batch of unknown size."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("Dropout", ["c"], ["d"], ratio=0.5),
        helper.make_node("GlobalAveragePool", ["d"], ["p"]),
        helper.make_node("Softmax", ["p"], ["y"]),
    ]
    model = model_of(nodes, {"w": WEIGHTS}, shape=["N", 3, 4, 4], out=["N", 2, 1, 1], opset=7)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3, 1, 1]))
    model.ir_version = 3
    return model


def dynamic_model() -> onnx.ModelProto:
    """A Conv and a flattening that is told how by the shape it finds."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["p"]),
        helper.make_node("Shape", ["p"], ["s"]),
        helper.make_node("Gather", ["s", "first"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["t"], axis=0),
        helper.make_node("Reshape", ["p", "t"], ["y"]),
    ]
    constants = {"w": WEIGHTS, "first": np.array([0]), "rest": np.array([-1])}
    return model_of(nodes, constants, shape=["N", 3, "H", "W"], out=["N", "C"])


def shape_of(value: ir.Value) -> list[object]:
    return list(value.shape or ())


def test_an_old_model_becomes_canonical_and_says_the_same() -> None:
    old = old_model()
    new = canonical(old, where="old")
    assert [value.name for value in new.graph.inputs] == ["x"]
    assert new.graph.opset_imports[""] >= 17
    assert [node.op_type for node in new.graph] == ["Conv", "GlobalAveragePool", "Softmax"]
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 4, 4)).astype(np.float32)
    before = OnnxRuntimeEngine(old.SerializeToString()).run(x)["y"]
    after = OnnxRuntimeEngine(ir.to_proto(new).SerializeToString()).run(x)["y"]
    np.testing.assert_allclose(after.reshape(-1), before.reshape(-1), atol=1e-6)


def test_big_weights_of_an_old_model_stay_constant() -> None:
    """The converter does not see them: they must come back as what they were."""
    wide = np.random.default_rng(0).normal(0, 1, (64, 3, 3, 3)).astype(np.float32)
    norm = {name: np.full(64, 0.5, np.float32) for name in ("g", "b", "m", "v")}
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("BatchNormalization", ["c", "g", "b", "m", "v"], ["y"]),
    ]
    old = model_of(nodes, {"w": wide, **norm}, shape=[1, 3, 8, 8], out=[1, 64, 6, 6], opset=9)
    before = snapshot(ir.from_proto(old))
    new = canonical(old, where="old")
    assert [node.op_type for node in new.graph] == ["Conv"]
    require_same_outputs(before, new, by="canonical")


@pytest.mark.parametrize("seed", range(8))
def test_a_canonical_model_is_canonical(seed: int) -> None:
    once = canonical(ir.to_proto(random_net(seed)), where="net")
    proto = ir.to_proto(once)
    again = ir.to_proto(canonical(proto, where="net"))
    assert again.SerializeToString() == proto.SerializeToString()


def test_the_model_that_was_given_is_left_as_it_was() -> None:
    for model in (ir.to_proto(random_net(3)), old_model()):
        before = model.SerializeToString()
        canonical(model, where="net")
        assert model.SerializeToString() == before


def test_a_newer_file_format_is_lowered_to_what_the_opset_needs() -> None:
    model = ir.to_proto(conv_net())
    model.ir_version = 13
    assert canonical(model, where="net").ir_version == 8


def test_a_function_is_inlined(tmp_path: Path) -> None:
    double = helper.make_function(
        "local",
        "Double",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [helper.make_node("Double", ["x"], ["y"], domain="local")]
    model = model_of(nodes, {}, shape=[2], out=[2])
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.functions.append(double)
    onnx.save(model, tmp_path / "x.onnx")
    new = canonical(load_onnx(tmp_path / "x.onnx"), where="m")
    assert [node.op_type for node in new.graph] == ["Add"]


def test_a_file_that_is_not_there_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_onnx(tmp_path / "none.onnx")


@pytest.mark.parametrize("data", [b"", b"not onnx at all", b"\x00" * 100, b"\x08\x03"])
def test_what_is_no_onnx_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(UnsupportedModel, match=r"x\.onnx"):
        load_onnx(tmp_path / "x.onnx")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_model_is_refused(tmp_path: Path, share: float) -> None:
    path = save(conv_net(), tmp_path / "x.onnx")
    data = path.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    with pytest.raises(UnsupportedModel, match=r"x\.onnx"):
        load_onnx(path)


def test_a_custom_operator_is_named(tmp_path: Path) -> None:
    node = helper.make_node("Sparkle", ["x"], ["y"], domain="com.acme", name="shiny")
    model = model_of([node], {}, shape=[1], out=[1])
    model.opset_import.append(helper.make_opsetid("com.acme", 1))
    onnx.save(model, tmp_path / "x.onnx")
    with pytest.raises(UnsupportedModel, match="shiny.*com.acme::Sparkle"):
        load_onnx(tmp_path / "x.onnx")


def test_an_opset_that_cannot_be_raised_is_refused_in_one_line() -> None:
    model = old_model()
    model.graph.node[1].op_type = "Nonsense"
    with pytest.raises(UnsupportedModel, match="m: cannot be raised from opset 7 to 17: [^\n]*$"):
        canonical(model, where="m")


def test_a_sparse_tensor_is_named() -> None:
    model = ir.to_proto(conv_net())
    sparse = model.graph.sparse_initializer.add()
    sparse.values.CopyFrom(numpy_helper.from_array(np.ones(1, np.float32), "few"))
    with pytest.raises(UnsupportedModel, match="'few' is sparse"):
        canonical(model, where="m")


def test_a_dynamic_batch_is_one() -> None:
    model = dynamic_model()
    for place, size in ((2, 4), (3, 5)):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = size
    new = canonical(model, where="m")
    assert shape_of(new.graph.inputs[0]) == [1, 3, 4, 5]
    assert shape_of(new.graph.outputs[0]) == [1, 2]
    assert [node.op_type for node in new.graph] == ["Conv", "GlobalAveragePool", "Reshape"]


def test_other_dynamic_axes_are_refused_with_what_to_say() -> None:
    with pytest.raises(
        UnsupportedModel,
        match=r"m: the input 'x', \[N, 3, H, W\], has dynamic axes .* --input-shape 1,3,224,224$",
    ):
        canonical(dynamic_model(), where="m")


def test_an_input_shape_fixes_dynamic_axes() -> None:
    new = canonical(dynamic_model(), where="m", input_shape=(2, 3, 7, 9))
    assert shape_of(new.graph.inputs[0]) == [2, 3, 7, 9]
    assert shape_of(new.graph.outputs[0]) == [2, 2]
    before = snapshot(ir.from_proto(dynamic_model()), random_feeds(new))
    np.testing.assert_allclose(
        np.asarray(snapshot(new, before.feeds).outputs["y"]), before.outputs["y"], atol=1e-6
    )


def test_a_stale_output_shape_gives_way() -> None:
    model = dynamic_model()
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 1
    new = canonical(model, where="m", input_shape=(2, 3, 7, 9))
    assert shape_of(new.graph.outputs[0]) == [2, 2]


def test_an_input_without_any_shape_can_be_given_one() -> None:
    model = dynamic_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(UnsupportedModel, match="of unknown shape.*--input-shape 1,3,224,224"):
        canonical(model, where="m")
    new = canonical(model, where="m", input_shape={"x": (1, 3, 7, 9)})
    assert shape_of(new.graph.outputs[0]) == [1, 2]


@pytest.mark.parametrize("shape", [(1, 3, 7), (1, 4, 7, 7), (1, 3, 0, 7), (1, 3, -1, 7)])
def test_an_input_shape_that_does_not_fit_is_the_operators_mistake(shape: tuple[int, ...]) -> None:
    text = ",".join(map(str, shape))
    with pytest.raises(InputError, match=rf"--input-shape {text} does not fit .*\[N, 3, H, W\]"):
        canonical(dynamic_model(), where="m", input_shape=shape)


def test_an_input_shape_for_no_input_or_for_several_is_the_operators_mistake() -> None:
    model = dynamic_model()
    with pytest.raises(InputError, match="no input 'z', but x"):
        canonical(model, where="m", input_shape={"z": (1,)})
    model.graph.input.append(helper.make_tensor_value_info("q", TensorProto.FLOAT, [1]))
    with pytest.raises(InputError, match=r"2 inputs \(x, q\), but one shape"):
        canonical(model, where="m", input_shape=(1, 3, 7, 7))


def test_an_input_shape_that_the_layers_cannot_take_is_refused() -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = model_of(nodes, {"w": np.ones((4, 2), np.float32)}, shape=["N", "K"], out=["N", 2])
    with pytest.raises(UnsupportedModel, match="m: its shapes do not fit together"):
        canonical(model, where="m", input_shape=(1, 5))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_that_are_no_numbers_are_named(number: float, dtype: type) -> None:
    weights = np.ones((4, 2), dtype)
    weights[1, 1] = number
    kind = np.dtype(dtype)
    model = model_of(
        [helper.make_node("MatMul", ["x", "dense.weight"], ["y"])],
        {"dense.weight": weights},
        shape=[1, 4],
        out=[1, 2],
    )
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(kind)
    with pytest.raises(UnsupportedModel, match=r"m: the tensor 'dense.weight' has 1 of 8 numbers"):
        canonical(model, where="m")


def test_nan_in_a_constant_node_is_named() -> None:
    bad = numpy_helper.from_array(np.array([np.nan], np.float32))
    nodes = [
        helper.make_node("Constant", [], ["bad"], value=bad),
        helper.make_node("Mul", ["x", "bad"], ["y"]),
    ]
    with pytest.raises(UnsupportedModel, match="the tensor 'bad' has 1 of 1 numbers NaN"):
        canonical(model_of(nodes, {}, shape=[1], out=[1]), where="m")


def test_infinity_in_a_mask_or_a_bound_is_fine() -> None:
    nodes = [
        helper.make_node("Clip", ["x", "low", "high"], ["c"]),
        helper.make_node("Add", ["c", "mask"], ["y"]),
    ]
    constants = {
        "low": np.float32(-1),
        "high": np.float32(np.inf),
        "mask": np.array([0, -np.inf], np.float32),
    }
    model = model_of(nodes, {k: np.asarray(v) for k, v in constants.items()}, shape=[2], out=[2])
    assert len(canonical(model, where="m").graph) == 2
    assert constant(canonical(model, where="m").graph.initializers["mask"]) is not None
