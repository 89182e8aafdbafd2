"""Novelty: the newest rows against the rows before, the worst column first."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.novelty import Novelty

RNG = np.random.default_rng(0)


def residuals(count: int = 200, columns: int = 3) -> Array:
    return RNG.normal(size=(count, 16, columns)) * np.arange(1, columns + 1)


def test_one_odd_column_stands_out_however_many_there_are() -> None:
    normal = residuals(columns=10)
    novelty = Novelty.fit(normal, newest=4)
    odd = normal.copy()
    odd[:, -4:, 2] *= 8
    assert (novelty.logarithm(odd) > np.quantile(novelty.logarithm(normal), 0.99)).mean() > 0.9


def test_older_rows_excuse_half_of_what_the_newest_do() -> None:
    normal = residuals()
    novelty = Novelty.fit(normal, newest=4)
    newest_only = normal.copy()
    newest_only[:, -4:] *= 1000
    rise = novelty.logarithm(newest_only) - novelty.logarithm(normal)
    risen_all_through = novelty.logarithm(normal * 1000) - novelty.logarithm(normal)
    assert np.median(rise) == pytest.approx(2 * np.log(1000), rel=0.1)
    assert np.median(risen_all_through) == pytest.approx(np.log(1000), rel=0.1)


def test_a_perfect_reconstruction_is_finite() -> None:
    nothing = np.zeros((5, 16, 2))
    assert np.isfinite(Novelty.fit(nothing, newest=4).logarithm(nothing)).all()


def test_the_graph_gives_the_same_novelty() -> None:
    normal = residuals()
    novelty = Novelty.fit(normal, newest=4)
    build = GraphBuilder("novelty")
    given = build.input("residual", np.float32, (1, 16, 3))
    model = build.finish(logarithm=(novelty.compile(build, given, 16), np.float32, (1,)))
    engine = OnnxRuntimeEngine(bytes(ir.to_proto(model).SerializeToString()))
    found = [
        engine.run(one[np.newaxis].astype(np.float32))["logarithm"][0]
        for one in (*normal[:20], 0 * normal[0])
    ]
    wanted = novelty.logarithm(np.concatenate([normal[:20], 0 * normal[:1]]))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
