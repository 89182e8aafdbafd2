"""Loading ONNX files: old ones are raised, broken ones refused in one line."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.load import canonical, load_onnx
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from tests.samples import conv_net, save


def old_model() -> onnx.ModelProto:
    """Opset 7, IR 3, initialisers listed as inputs, a Dropout and a batch of unknown size."""
    weights = np.random.default_rng(0).normal(0, 1, (2, 3, 1, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("Dropout", ["c"], ["d"], ratio=0.5),
        helper.make_node("GlobalAveragePool", ["d"], ["p"]),
        helper.make_node("Softmax", ["p"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "old",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 4, 4]),
            helper.make_tensor_value_info("w", TensorProto.FLOAT, [2, 3, 1, 1]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 1, 1])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 7)], ir_version=3)


def test_an_old_model_becomes_canonical_and_says_the_same() -> None:
    old = old_model()
    new = canonical(old, where="old")
    assert [value.name for value in new.graph.inputs] == ["x"]
    assert new.graph.opset_imports[""] >= 17
    assert "Dropout" not in [node.op_type for node in new.graph]
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 4, 4)).astype(np.float32)
    before = OnnxRuntimeEngine(old.SerializeToString()).run(x)["y"]
    after = OnnxRuntimeEngine(ir.to_proto(new).SerializeToString()).run(x)["y"]
    np.testing.assert_allclose(after.reshape(-1), before.reshape(-1), atol=1e-6)


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
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    graph = helper.make_graph(
        [node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])]
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.acme", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets), tmp_path / "x.onnx")
    with pytest.raises(UnsupportedModel, match="shiny.*com.acme::Sparkle"):
        load_onnx(tmp_path / "x.onnx")


def test_dynamic_axes_besides_the_batch_are_refused() -> None:
    model = old_model()
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "H"
    with pytest.raises(UnsupportedModel, match="dynamic"):
        canonical(model, where="m")
