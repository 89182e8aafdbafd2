"""The autoencoder: finds faults, keeps its stated rate, and refuses what it cannot learn from."""

import functools

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.array import Array
from edgekit.compress.trained import TrainedModel
from edgekit.errors import InputError
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.autoencoder import build_autoencoder

WINDOW = 32


def signal(count: int, *, seed: int) -> Array:
    time = np.arange(count)
    noise = np.random.default_rng(seed).normal(0, 0.1, count)
    return (20 + 3 * np.sin(2 * np.pi * time / 16) + noise)[:, np.newaxis]


@functools.cache
def trained() -> TrainedModel:
    return build_autoencoder(signal(4000, seed=0), columns=("v",), window=WINDOW)


def scores(rows: Array) -> Array:
    engine = OnnxRuntimeEngine(ir.to_proto(trained().model).SerializeToString())
    windows = [rows[i : i + WINDOW] for i in range(len(rows) - WINDOW + 1)]
    return np.array([engine.run(w[np.newaxis].astype(np.float32))["score"][0] for w in windows])


def threshold() -> float:
    thresholds = trained().thresholds
    assert thresholds is not None
    return thresholds.anomaly


def test_new_normal_windows_alarm_at_about_the_stated_rate() -> None:
    assert (scores(signal(6000, seed=1)) > threshold()).mean() <= 0.01


@pytest.mark.parametrize("fault", ["spike", "stuck", "faster", "far away"])
def test_a_fault_is_found(fault: str) -> None:
    rows = signal(400, seed=3)
    match fault:
        case "spike":
            rows[200:203] += 3
        case "stuck":
            rows[200:260] = rows[200]
        case "faster":
            rows[200:300] = 20 + 3 * np.sin(2 * np.pi * np.arange(100) / 9)[:, np.newaxis]
        case "far away":
            rows[200:] += 60
    found = scores(rows) > threshold()
    assert found[200 - WINDOW // 2 : 260].any()
    assert not found[: 200 - WINDOW].any()


@pytest.mark.parametrize("level", [0.0, 1e6, -1e6, 3e38])
def test_the_score_is_always_finite(level: float) -> None:
    found = scores(np.full((WINDOW, 1), level))
    assert np.isfinite(found).all()
    assert (found > threshold()).all()


def test_the_same_seed_gives_the_same_graph() -> None:
    one, two = (
        ir.to_proto(
            build_autoencoder(signal(600, seed=0), columns=("v",), epochs=3).model
        ).SerializeToString()
        for _ in range(2)
    )
    assert one == two


def test_a_constant_column_is_no_obstacle() -> None:
    rows = np.concatenate([signal(800, seed=0), np.full((800, 1), 5.0)], axis=1)
    model = build_autoencoder(rows, columns=("v", "w"), epochs=3)
    engine = OnnxRuntimeEngine(ir.to_proto(model.model).SerializeToString())
    assert np.isfinite(engine.run(rows[np.newaxis, :WINDOW].astype(np.float32))["score"]).all()


def test_what_it_cannot_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="too few"):
        build_autoencoder(signal(50, seed=0), columns=("v",))
    rows = signal(500, seed=0)
    rows[7] = np.nan
    with pytest.raises(InputError, match="row 7"):
        build_autoencoder(rows, columns=("v",))
    with pytest.raises(InputError, match="not \\[N, 2\\]"):
        build_autoencoder(signal(500, seed=0), columns=("v", "w"))
    with pytest.raises(InputError, match="false_alarm_rate"):
        build_autoencoder(signal(500, seed=0), columns=("v",), false_alarm_rate=1.5)
