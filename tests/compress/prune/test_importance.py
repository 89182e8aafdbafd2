"""Importance predicts what an error inside does to the answer."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress.prune.importance import output_importance
from edgekit.compress.statistics import divergence
from edgekit.graph.build import GraphBuilder
from edgekit.graph.session import open_session
from edgekit.graph.shapes import infer_shapes
from tests.compress.prune.nets import SIDE, Net


def samples(count: int, seed: int = 0) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(1, 3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


def test_it_predicts_the_divergence_of_a_shift() -> None:
    """KL of a shift of the logits is half the shift squared times what is measured."""
    build, rng = GraphBuilder("net"), np.random.default_rng(0)
    x = build.input("x", np.float32, (1, 4))
    weights = rng.normal(size=(4, 5)).astype(np.float32)
    shift = build.constant(np.zeros(5, np.float32), "shift")
    logits = build.op("Gemm", x, weights, shift)
    scores = build.op("Softmax", logits, axis=1)
    model = infer_shapes(build.finish(scores=(scores, np.float32, (1, 5))))
    tensors = [rng.normal(size=(1, 4)).astype(np.float32) for _ in range(400)]
    found = output_importance(model, {str(logits.name): -1}, tensors)[str(logits.name)]
    was = answers(model, tensors)
    for place in range(5):
        moved = np.zeros(5, np.float32)
        moved[place] = 0.1
        model.graph.initializers["shift"].const_value = ir.tensor(moved, name="shift")
        kl = float(divergence(was, answers(model, tensors)).mean())
        assert kl == pytest.approx(0.5 * found[place] * 0.1**2, rel=0.25)


def test_without_derivatives_all_matter_alike() -> None:
    net = Net()
    x = net.conv(net.image(), 4)
    normal = net.op("LRN", x, size=3)
    model = net.classifier(normal)
    found = output_importance(model, {str(x.name): 1}, samples(2))
    np.testing.assert_array_equal(found[str(x.name)], np.ones(4))


def answers(model: ir.Model, tensors: list[Array]) -> Array:
    session = open_session(model)
    return np.concatenate([session.run(None, {"x": tensor})[0] for tensor in tensors])
