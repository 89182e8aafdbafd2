"""What has no form in TFLite is refused by name, before anything is written."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.convert import to_tflite
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.convert.graphs import gives, normal

Made = Callable[[GraphBuilder, ir.Value], ir.Value]


def node(kind: str, *inputs: Any, **attributes: Any) -> Made:
    return lambda build, x: build.op(kind, x, *inputs, **attributes)


def itself(kind: str, **attributes: Any) -> Made:
    return lambda build, x: build.op(kind, x, x, **attributes)


def both_outputs(build: GraphBuilder, x: ir.Value) -> ir.Value:
    value, indices = build.op_many("MaxPool", x, outputs=2, kernel_shape=[1, 1])
    return build.op("Add", value, build.op("Cast", indices, to=1))


TWICE = np.array([1, 1, 2, 2], np.float32)
CASES: dict[str, tuple[Made, str]] = {
    "an unknown operator": (node("Det"), "no rule for Det (node 'node_Det_0')"),
    "a convolution of activations": (itself("Conv"), "weights that are not constant"),
    "a dilated pool": (
        node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]),
        "MaxPool with dilations",
    ),
    "the places of maxima": (both_outputs, "MaxPool with Indices"),
    "cubic": (node("Resize", None, TWICE, mode="cubic"), "mode 'cubic'"),
    "cropped": (
        node("Resize", None, TWICE, coordinate_transformation_mode="tf_half_pixel_for_nn"),
        "tf_half_pixel_for_nn",
    ),
    "repeated edges": (node("Pad", np.array([0, 0, 1, 1] * 2), mode="edge"), "mode 'edge'"),
    "negative widths": (node("Pad", np.array([0, 0, -1, 0] * 2)), "negative widths"),
    "a given output shape": (
        node("ConvTranspose", normal((4, 4, 2, 2)), output_shape=[5, 5]),
        "auto_pad or output_shape",
    ),
    "double precision": (node("Cast", to=11), "Cast to float64"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_names_node_and_reason(case: str) -> None:
    made, says = CASES[case]
    build = GraphBuilder("refused")
    x = build.input("x", np.float32, (1, 4, 4, 4))
    value = made(build, x)
    if case == "double precision":
        value = build.op("Cast", value, to=1)
    rank = 2 if case == "an unknown operator" else 4
    with pytest.raises(UnsupportedModel, match=re.escape(says)) as refused:
        to_tflite(gives(build, rank, y=value))
    assert "\n" not in str(refused.value)


def test_all_unknown_operators_are_named_at_once() -> None:
    build = GraphBuilder("unknown")
    x = build.input("x", np.float32, (4, 4))
    value = build.op("Trilu", build.op("Erf", x))
    with pytest.raises(UnsupportedModel, match=r"Erf \(node 'node_Erf_0'\), Trilu"):
        to_tflite(gives(build, 2, y=value))


def test_an_operator_of_another_domain_is_unknown() -> None:
    build = GraphBuilder("contrib")
    x = build.input("x", np.float32, (4, 4))
    value = build.op("Neg", x)
    owner = value.producer()
    assert owner is not None
    owner.domain = "com.microsoft"
    model = gives(build, 2, y=value)
    model.graph.opset_imports["com.microsoft"] = 1
    with pytest.raises(UnsupportedModel, match="com.microsoft::Neg"):
        to_tflite(model)


def test_a_dynamic_axis_is_named() -> None:
    build = GraphBuilder("dynamic")
    x = build.input("x", np.float32, ("N", 4))
    with pytest.raises(UnsupportedModel, match="'x' has dynamic axes"):
        to_tflite(gives(build, 2, y=build.op("Neg", x)))


def test_a_half_precision_input_is_named() -> None:
    build = GraphBuilder("half")
    x = build.input("x", np.float16, (2, 4))
    value = build.op("Cast", x, to=1)
    with pytest.raises(UnsupportedModel, match="'x' is FLOAT16"):
        to_tflite(gives(build, 2, y=value))


def test_an_old_opset_is_named() -> None:
    build = GraphBuilder("old")
    x = build.input("x", np.float32, (2, 4))
    model = gives(build, 2, y=build.op("Softmax", x, axis=1))
    model.graph.opset_imports[""] = 11
    with pytest.raises(UnsupportedModel, match="opset 11"):
        to_tflite(model)


def test_activations_that_are_quantised_by_channel_are_refused() -> None:
    build = GraphBuilder("channels")
    x = build.input("x", np.float32, (2, 4))
    grid = np.ones(4, np.float32), np.zeros(4, np.uint8)
    value = build.op("QuantizeLinear", x, *grid, axis=1)
    value = build.op("DequantizeLinear", value, *grid, axis=1)
    with pytest.raises(UnsupportedModel, match="quantise it per tensor"):
        to_tflite(gives(build, 2, y=value))


@pytest.mark.parametrize("extra", ["peephole", "lengths", "activations"])
def test_an_lstm_with_more_than_the_usual_is_refused(extra: str) -> None:
    build = GraphBuilder("lstm")
    x = build.input("x", np.float32, (3, 1, 2))
    inputs: list[Any] = [x, normal((1, 8, 2)), normal((1, 8, 2)), normal((1, 16))]
    how: dict[str, Any] = {"hidden_size": 2}
    if extra == "lengths":
        inputs.append(np.array([2], np.int32))
    elif extra == "peephole":
        inputs += [None, None, None, normal((1, 6))]
    else:
        how["activations"] = ["Sigmoid", "Relu", "Tanh"]
    value = build.op_many("LSTM", *inputs, outputs=1, **how)[0]
    with pytest.raises(UnsupportedModel, match="LSTM with"):
        to_tflite(gives(build, 4, y=value))
