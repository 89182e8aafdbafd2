"""The score is the logarithm of a share of normal windows, and says so where few were seen."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.graph.build import GraphBuilder
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.normal_score import NormalScore


def test_a_score_of_3_is_reached_by_one_normal_window_in_a_thousand() -> None:
    rng = np.random.default_rng(0)
    normal = NormalScore.fit(rng.exponential(0.7, 100_000))
    scores = normal.score(rng.exponential(0.7, 1_000_000))
    for score in (1, 2, 3):
        assert (scores > score).mean() == pytest.approx(10.0**-score, rel=0.25)


def test_few_windows_get_the_threshold_of_their_tail() -> None:
    logs = np.random.default_rng(0).exponential(size=600)
    assert NormalScore.fit(logs).threshold(logs, 0.001, overlap=32) == pytest.approx(3)


def test_many_windows_get_their_own_quantile() -> None:
    logs = np.random.default_rng(0).normal(size=100_000)
    normal = NormalScore.fit(logs)
    threshold = normal.threshold(logs, 0.005, overlap=8)
    assert (normal.score(logs) > threshold).mean() == pytest.approx(0.005, rel=0.01)
    assert threshold < -np.log10(0.005), "a Gaussian's tail is lighter than an exponential one"


def test_windows_that_are_all_alike_have_a_finite_score() -> None:
    normal = NormalScore.fit(np.full(100, -3.0))
    assert np.isfinite(normal.score(np.array([-10.0, -3.0, 30.0]))).all()


def test_the_graph_gives_the_same_score() -> None:
    logs = np.random.default_rng(0).normal(size=1000)
    normal = NormalScore.fit(logs)
    build = GraphBuilder("score")
    given = build.input("logs", np.float32, (1000,))
    model = build.finish(score=(normal.compile(build, given), np.float32, (1000,)))
    engine = OnnxRuntimeEngine(bytes(ir.to_proto(model).SerializeToString()))
    found = engine.run(logs.astype(np.float32))["score"]
    np.testing.assert_allclose(found, normal.score(logs), rtol=1e-4, atol=1e-4)
