"""The autoencoder that finds anomalies in windows of sensor rows.

An autoencoder (Hinton and Salakhutdinov, 2006, Science 313, 504) learns to reproduce normal
windows through a narrow middle; what it reproduces badly is unusual.
"""

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.neural_network import MLPRegressor

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, Thresholds, WindowRule
from edgekit.compress.trained import TrainedModel
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.zoo.normal_score import NormalScore

_FEWEST_WINDOWS = 20
_CLIP = 20.0
_MARGIN = 1.5
_HELD_OUT_SHARE = 0.3
_PATIENCE = 15


def build_autoencoder(
    rows: Array,
    *,
    columns: Sequence[str],
    name: str = "autoencoder",
    window: int = 32,
    hop: int = 1,
    hidden: Sequence[int] = (32, 8, 32),
    false_alarm_rate: float = 0.001,
    epochs: int = 40,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Trains an autoencoder on normal rows.

    The first 70 % of the rows train it; the last 30 %, which it has not seen, say when to stop,
    what a normal error is and where the threshold lies. The graph takes `window` float32
    `[1, window, columns]` in the sensors' own units, and gives

    - `score` float32 `[1]`: how many robust deviations the logarithm of the window's error lies
      above its median on normal windows, so that scores of different machines compare;
    - `residual` float32 `[1, window, columns]`: window minus reconstruction of the centred window,
      in deviations of each column, to see where it went wrong.

    A window is centred on its own mean first, so that slow drift within the known range is no
    anomaly and the shape is judged; readings beyond 1.5 times the furthest known deviation add to
    the error. Readings count as at most 20 deviations from the mean, so a score is always finite.

    Args:
        rows: float `[N, columns]`, finite, in order of time, of normal operation.
        columns: the names of the readings in a row.
        name: of the bundle.
        window: rows a window.
        hop: rows from one window to the next, on the board.
        hidden: widths of the hidden layers.
        false_alarm_rate: the share of normal windows that may score above the threshold.
        epochs: the most passes over the training windows.
        seed: of weights and order.
        progress: called with epochs done and their most.

    Raises:
        InputError: the rows are too few, not finite, or of another shape, or a setting is out of
            its range.
    """
    rows = _checked(rows, columns, window=window, hop=hop, rate=false_alarm_rate)
    split = round(len(rows) * (1 - _HELD_OUT_SHARE))
    mean = rows[:split].mean(axis=0)
    scale = _scales(rows[:split])
    scaled = np.clip((rows - mean) / scale, -_CLIP, _CLIP)
    reach = _MARGIN * np.abs(scaled).max(axis=0)
    training = _centred(_windows(scaled[:split], window), len(columns))
    held_out = _centred(_windows(scaled[split:], window), len(columns))
    network = _trained(training, held_out, hidden, epochs=epochs, seed=seed, progress=progress)
    errors = _errors(network, held_out)
    normal = NormalScore.fit(errors)
    threshold = normal.threshold(errors, false_alarm_rate)
    return TrainedModel(
        name=name,
        model=_graph(name, network, (mean, scale, reach), normal, window),
        task="anomaly",
        input=InputSpec(
            name="window",
            dtype="float32",
            shape=(1, window, len(columns)),
            window=WindowRule(length=window, hop=hop, columns=tuple(columns)),
        ),
        output=OutputSpec(name="score", kind="score"),
        thresholds=Thresholds(anomaly=threshold, false_alarm_rate=false_alarm_rate),
        facts={
            "training windows": float(len(training)),
            "held-out windows": float(len(held_out)),
            "variance explained, held out": _explained(network, held_out),
            "threshold": threshold,
            "stated false-alarm rate": false_alarm_rate,
        },
    )


def _checked(rows: Array, columns: Sequence[str], *, window: int, hop: int, rate: float) -> Array:
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(columns) or not columns:
        raise InputError(f"rows have shape {list(rows.shape)}, not [N, {len(columns)}]")
    if window < 2 or hop < 1 or not 0 < rate < 1:
        raise InputError(
            f"window {window}, hop {hop} and false_alarm_rate {rate}: a window needs 2 rows, a hop "
            "1, and the rate lies between 0 and 1"
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(f"row {bad[0]} holds NaN or infinity; mend or remove it")
    needed = int(np.ceil((_FEWEST_WINDOWS + window - 1) / _HELD_OUT_SHARE))
    if len(rows) < needed:
        raise InputError(f"{len(rows)} rows are too few: windows of {window} need {needed} of them")
    return rows


def _scales(rows: Array) -> Array:
    """Each column's deviation; for a constant one a thousandth of its level."""
    scale: Array = np.maximum(rows.std(axis=0), 1e-3 * np.maximum(np.abs(rows.mean(axis=0)), 1e-3))
    return scale


def _windows(rows: Array, length: int) -> Array:
    """Every window, flat: `[N - length + 1, length * columns]`."""
    views = sliding_window_view(rows, length, axis=0).transpose(0, 2, 1)
    return np.ascontiguousarray(views).reshape(len(views), -1)


def _centred(windows: Array, columns: int) -> Array:
    """Flat windows with each column's own mean taken out."""
    cube = windows.reshape(len(windows), -1, columns)
    centred: Array = cube - cube.mean(axis=1, keepdims=True)
    return centred.reshape(windows.shape)


def _trained(
    training: Array,
    held_out: Array,
    hidden: Sequence[int],
    *,
    epochs: int,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> MLPRegressor:
    """The network of the epoch that did best on held-out windows."""
    network = MLPRegressor(
        hidden_layer_sizes=tuple(hidden), random_state=seed, learning_rate_init=2e-3, alpha=1e-4
    )
    best, weights, since = np.inf, None, 0
    for epoch in range(epochs):
        network.partial_fit(training, training)
        error = float(_errors(network, held_out).mean())
        if error < best:
            best, since = error, 0
            weights = [part.copy() for part in (*network.coefs_, *network.intercepts_)]
        since += 1
        if progress is not None:
            progress(epochs if since > _PATIENCE else epoch + 1, epochs)
        if since > _PATIENCE:
            break
    assert weights is not None, "windows are finite, so the first epoch beats none"
    layers = len(network.coefs_)
    network.coefs_, network.intercepts_ = weights[:layers], weights[layers:]
    return network


def _graph(
    name: str,
    network: MLPRegressor,
    scaling: tuple[Array, Array, Array],
    normal: NormalScore,
    window: int,
) -> ir.Model:
    build = GraphBuilder(name)
    mean, scale, reach = scaling
    columns = len(mean)
    raw = build.input("window", np.float32, (1, window, columns))
    moved = build.op("Sub", raw, mean.astype(np.float32))
    scaled = build.op("Mul", moved, (1 / scale).astype(np.float32))
    clipped = build.op("Clip", scaled, np.float32(-_CLIP), np.float32(_CLIP))
    centred = build.op("Sub", clipped, build.op("ReduceMean", clipped, axes=[1], keepdims=1))
    flat = build.op("Reshape", centred, np.array([1, window * columns]))
    value = flat
    for number, (weights, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        value = build.op("Gemm", value, weights.astype(np.float32), bias.astype(np.float32))
        if number < len(network.coefs_) - 1:
            value = build.op("Relu", value)
    difference = build.op("Sub", flat, value)
    error = build.op("ReduceMean", build.op("Mul", difference, difference), axes=[1], keepdims=0)
    beyond = build.op("Sub", build.op("Abs", clipped), reach.astype(np.float32))
    beyond = build.op("Reshape", build.op("Relu", beyond), np.array([1, window * columns]))
    outside = build.op("ReduceMean", build.op("Mul", beyond, beyond), axes=[1], keepdims=0)
    error = build.op("Add", error, outside)
    residual = build.op("Reshape", difference, np.array([1, window, columns]))
    return build.finish(
        score=(normal.compile(build, error), np.float32, (1,)),
        residual=(residual, np.float32, (1, window, columns)),
    )


def _explained(network: MLPRegressor, windows: Array) -> float:
    """The share of the windows' variance that the reconstruction has."""
    total = np.square(windows - windows.mean(axis=0)).mean()
    return float(1 - _errors(network, windows).mean() / max(float(total), 1e-12))


def _errors(network: MLPRegressor, windows: Array) -> Array:
    """The mean squared error of each window."""
    rest = network.predict(windows).reshape(windows.shape) - windows
    errors: Array = np.mean(np.square(rest), axis=1)
    return errors
