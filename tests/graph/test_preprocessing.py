"""Folding preprocessing into a graph must not change what the model says."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.bundle import InputSpec, PictureRule
from edgekit.errors import UnsupportedModel
from edgekit.graph.preprocessing import fold_preprocessing
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.prepare import prepare
from tests.samples import SIDE, conv_net


def rule(
    layout: str, channels: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> PictureRule:
    return PictureRule(
        height=SIDE, width=SIDE, layout=layout, channels=channels, mean=mean, std=std
    )


def run(model: ir.Model) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(ir.to_proto(model).SerializeToString())


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [
        ("BGR", (104.0, 117.0, 123.0), (1.0,)),
        ("RGB", (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
        ("RGB", (0.0,), (255.0,)),
        ("RGB", (0.0,), (1.0,)),
    ],
)
def test_the_folded_graph_says_what_the_unfolded_one_says(
    layout: str, padding: int, channels: str, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    how = rule(layout, channels, mean, std)
    spec = InputSpec(name="data", dtype="float32", shape=how.tensor_shape(), picture=how)
    before = run(conv_net(padding=padding, layout=layout))
    folded = conv_net(padding=padding, layout=layout)
    fold_preprocessing(folded, how)
    after = run(folded)
    assert (after.inputs[0].name, after.inputs[0].dtype) == ("image", "uint8")
    rng = np.random.default_rng(0)
    for _ in range(5):
        picture = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
        wanted = before.run(prepare(picture, spec))["out"]
        np.testing.assert_allclose(after.run(picture[np.newaxis])["out"], wanted, atol=2e-5)


def test_without_padding_nothing_of_it_is_left_but_a_cast() -> None:
    model = conv_net()
    fold_preprocessing(model, rule("NCHW", "BGR", (104.0, 117.0, 123.0), (1.0,)))
    kinds = [node.op_type for node in model.graph]
    assert kinds[:3] == ["Transpose", "Cast", "Conv"]
    assert "Sub" not in kinds


def test_a_model_of_another_size_is_refused() -> None:
    how = PictureRule(height=8, width=8, layout="NCHW")
    with pytest.raises(UnsupportedModel, match="16"):
        fold_preprocessing(conv_net(), how)
