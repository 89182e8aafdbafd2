"""Limits: broken by what no normal recording came near, and by nothing else."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.known_limits import KnownLimits

LENGTH, NEWEST = 16, 4
ROWS = np.random.default_rng(0).normal(size=(500, 2))
LIMITS = KnownLimits.fit(ROWS, LENGTH)


def broken(window: Array, limits: KnownLimits = LIMITS) -> float:
    return float(limits.broken_by(window[np.newaxis], NEWEST)[0])


def window() -> Array:
    return ROWS[100 : 100 + LENGTH].copy()


def test_no_normal_window_comes_near() -> None:
    windows = np.stack([ROWS[i : i + LENGTH] for i in range(400)])
    assert LIMITS.broken_by(windows, NEWEST).max() < 0.01


def test_one_reading_a_little_outside_is_no_matter() -> None:
    outside = window()
    outside[-1, 0] = ROWS[:, 0].max() + 1
    assert broken(outside) < 1


def test_newest_rows_far_outside_break_them() -> None:
    far = window()
    far[-NEWEST:, 1] += 10
    assert broken(far) > 1


def test_a_sensor_that_stands_still_breaks_them() -> None:
    still = window()
    still[:, 1] = still[0, 1]
    assert broken(still) > 1


def test_standing_still_is_no_fault_where_it_is_normal() -> None:
    rows = ROWS.copy()
    rows[200:230, 1] = rows[200, 1]
    still = window()
    still[:, 1] = still[0, 1]
    assert broken(still, KnownLimits.fit(rows, LENGTH)) < 1


def test_a_sensor_too_coarse_to_tell_is_left_alone() -> None:
    rows = np.round(ROWS / 2) * 2
    assert KnownLimits.fit(rows, LENGTH).stillest.tolist() == [0, 0]


def test_a_constant_column_breaks_them_as_soon_as_it_moves() -> None:
    rows = ROWS.copy()
    rows[:, 1] = 0
    limits = KnownLimits.fit(rows, LENGTH)
    moved = rows[:LENGTH].copy()
    assert broken(moved, limits) < 1
    moved[-NEWEST:, 1] = 2
    assert broken(moved, limits) > 1


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0, 1000.0])
def test_the_graph_scores_the_same(scale: float) -> None:
    build = GraphBuilder("limits")
    given = build.input("scaled", np.float32, (1, LENGTH, 2))
    score = LIMITS.compile(build, given, LENGTH, newest=NEWEST, threshold=2.5)
    model = build.finish(score=(score, np.float32, (1,)))
    engine = OnnxRuntimeEngine(bytes(ir.to_proto(model).SerializeToString()))
    scaled = window().astype(np.float32) * np.float32(scale)
    wanted = 2.5 * np.log2(1 + broken(scaled.astype(np.float64)))
    found = engine.run(scaled[np.newaxis])["score"]
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-5)
    assert (found > 2.5).all() == (broken(scaled.astype(np.float64)) > 1)
