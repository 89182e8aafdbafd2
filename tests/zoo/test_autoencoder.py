"""The autoencoder: finds faults, keeps its stated rate, and refuses what it cannot learn from."""

import functools
from collections.abc import Callable

import numpy as np
import onnx_ir as ir
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.neural_network import MLPRegressor

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
    share = (scores(signal(6000, seed=1)) > threshold()).mean()
    assert 0.001 <= share <= 0.01, "the stated rate is 0.005"


def test_the_residual_is_the_window_minus_scikit_learns_reconstruction_in_sensor_units(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks: list[MLPRegressor] = []
    partial_fit: Callable[..., MLPRegressor] = MLPRegressor.partial_fit

    def remember(self: MLPRegressor, *data: Array) -> MLPRegressor:
        networks.append(self)
        return partial_fit(self, *data)

    monkeypatch.setattr(MLPRegressor, "partial_fit", remember)
    rows = np.concatenate([signal(600, seed=0), 1000 * signal(600, seed=1)], axis=1)
    model = build_autoencoder(rows, columns=("v", "w"), epochs=5)
    engine = OnnxRuntimeEngine(ir.to_proto(model.model).SerializeToString())
    centred = sliding_window_view(rows, WINDOW, axis=0)[:50].transpose(0, 2, 1)
    centred = centred - centred.mean(axis=1, keepdims=True)
    deviation = rows.std(axis=0)
    given_back = networks[-1].predict((centred / deviation).reshape(50, -1))
    wanted = centred - given_back.reshape(centred.shape) * deviation
    for number in range(50):
        tensor = rows[np.newaxis, number : number + WINDOW].astype(np.float32)
        found = engine.run(tensor)["residual"][0]
        np.testing.assert_allclose(found / deviation, wanted[number] / deviation, atol=1e-4)


@pytest.mark.parametrize("fault", ["spike", "stuck", "faster", "far away", "drift"])
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
        case "drift":
            rows[200:] += 0.15 * np.arange(200)[:, np.newaxis]
    found = scores(rows) > threshold()
    assert found[200 - WINDOW // 2 : 260].any()
    assert not found[: 200 - WINDOW].any()


@pytest.mark.parametrize("level", [0.0, 1e6, -1e6, 3e38])
def test_the_score_is_always_finite(level: float) -> None:
    found = scores(np.full((WINDOW, 1), level))
    assert np.isfinite(found).all()
    assert (found > threshold()).all()


def test_a_fault_in_one_of_many_columns_is_found() -> None:
    rows = np.concatenate([signal(800, seed=number) for number in range(8)], axis=1)
    model = build_autoencoder(rows[:700], columns=tuple("abcdefgh"), epochs=30)
    engine = OnnxRuntimeEngine(ir.to_proto(model.model).SerializeToString())
    assert model.thresholds is not None
    window = rows[np.newaxis, 750 - WINDOW : 750].astype(np.float32)
    assert engine.run(window)["score"] < model.thresholds.anomaly
    window[0, -4:, 5] += 3
    assert engine.run(window)["score"] > model.thresholds.anomaly


def test_progress_ends_where_it_said_it_would() -> None:
    told: list[tuple[int, int]] = []
    build_autoencoder(
        signal(200, seed=0), columns=("v",), epochs=2, progress=lambda *at: told.append(at)
    )
    assert told == [(done, 10) for done in range(1, 11)]


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
    rows[7] = 1e35
    with pytest.raises(InputError, match="row 7 holds a number beyond 1e30"):
        build_autoencoder(rows, columns=("v",))
    with pytest.raises(InputError, match="false_alarm_rate"):
        build_autoencoder(signal(500, seed=0), columns=("v",), false_alarm_rate=1.5)
