"""The check before a file is handed out finds what is wrong with it, and only that."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.convert import to_tflite
from edgekit.convert.check import compare, random_input, require_agreement
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.convert.graphs import QuantizedBuilder, gives, normal
from tests.convert.test_integers import picture_net


def layer(factor: float = 1.0, name: str = "y") -> ir.Model:
    build = GraphBuilder("layer")
    x = build.input("x", np.float32, (2, 4))
    return gives(build, 2, **{name: build.op("MatMul", x, normal((4, 3)) * np.float32(factor))})


def test_another_models_file_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="gives something else than onnxruntime: 'y'"):
        require_agreement(layer(), to_tflite(layer(1.01)))


def test_a_quantised_model_with_one_layer_wrong_is_refused() -> None:
    model = picture_net()[0]
    data = to_tflite(model)
    assert require_agreement(model, data)[0].relative < 1e-5
    gemm = next(node for node in model.graph if node.op_type == "Gemm")
    for value in gemm.inputs[1:]:
        stored = value.producer().inputs[0]  # type: ignore[union-attr]
        stored.const_value = ir.tensor(-stored.const_value.numpy())  # type: ignore[union-attr]
    with pytest.raises(UnsupportedModel, match="'scores'"):
        require_agreement(model, data)


def test_a_file_that_is_damaged_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="LiteRT cannot load"):
        compare(layer(), to_tflite(layer())[:-200])


def test_an_output_of_another_name_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="gives no 'z'"):
        compare(layer(name="z"), to_tflite(layer()))


def test_what_is_infinite_in_both_agrees() -> None:
    build = GraphBuilder("log")
    x = build.input("x", np.float32, (4, 4))
    model = gives(build, 2, y=build.op("Log", build.op("Relu", x)))
    (found,) = require_agreement(model, to_tflite(model, check=False))
    assert found.relative < 1e-6


def test_a_float_input_is_tried_where_its_grid_is() -> None:
    build = QuantizedBuilder("grid")
    x = build.input("x", np.float32, (1000,))
    model = gives(build, 1, y=build.quantized(x, 0.5, 100))
    numbers = random_input(model.graph.inputs[0], np.random.default_rng(0))
    assert -50 <= numbers.min() < -45
    assert 70 < numbers.max() <= 77.5
