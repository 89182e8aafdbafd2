"""The autoencoder that finds anomalies in windows of sensor rows.

An autoencoder (Hinton and Salakhutdinov, 2006, Science 313, 504) learns to reproduce normal
windows through a narrow middle; what it reproduces badly is unusual.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import onnx_ir as ir
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.neural_network import MLPRegressor

from edgekit.array import Array
from edgekit.bundle import InputSpec, OutputSpec, Thresholds, WindowRule
from edgekit.compress.trained import TrainedModel
from edgekit.errors import InputError
from edgekit.graph.build import GraphBuilder
from edgekit.zoo.known_limits import KnownLimits
from edgekit.zoo.normal_score import NormalScore
from edgekit.zoo.novelty import Novelty

_FOLDS = 4
_FEWEST_WINDOW_LENGTHS = 5
_MOST_WINDOWS = 100_000
_MOST_TRAINING_WINDOWS = 20_000
_CLIP = 1e3
_LARGEST = 1e30


def build_autoencoder(
    rows: Array,
    *,
    columns: Sequence[str],
    name: str = "autoencoder",
    window: int = 32,
    hop: int = 8,
    hidden: Sequence[int] = (16, 4, 16),
    false_alarm_rate: float = 0.005,
    epochs: int = 80,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> TrainedModel:
    """Trains an autoencoder on normal rows.

    All rows train it. What is normal is said by rows that it has not seen: each quarter in turn
    is left out, with the windows that overlap it, and reproduced by a network that learned from
    the others (cross-conformal prediction: Vovk, 2015, Annals of Mathematics and Artificial
    Intelligence 74, 9). The graph takes `window` float32 `[1, window, columns]` in the sensors'
    own units, and gives

    - `score` float32 `[1]`: -log10 of the share of normal windows that are so unusual, so that
      scores of different machines compare, and never less than how far the window breaks the
      limits of anything known (`KnownLimits`);
    - `residual` float32 `[1, window, columns]`: window minus reconstruction, in the sensors' own
      units, to see where it went wrong.

    A window is centred on its own mean first, so its shape is judged and not its level. Judged
    are its newest rows, a quarter or `hop` of them, at most half, against the rest (`Novelty`):
    with `hop` at a quarter, the default, each row is judged once. Readings count as at most
    1,000 deviations from the mean, so a score is always finite.

    Args:
        rows: float `[N, columns]`, finite, in order of time, of normal operation.
        columns: the names of the readings in a row.
        name: of the bundle.
        window: rows a window.
        hop: rows from one window to the next, on the board.
        hidden: widths of the hidden layers.
        false_alarm_rate: the share of normal windows that may score above the threshold.
        epochs: passes over the training windows.
        seed: of weights and order.
        progress: called with epochs done and their number, over all networks.

    Raises:
        InputError: the rows are too few, not finite, or of another shape, or a setting is out of
            its range.
    """
    rows = _checked(rows, columns, window=window, hop=hop, rate=false_alarm_rate)
    centre, scale = rows.mean(axis=0), _scales(rows)
    scaled = np.clip((rows - centre) / scale, -_CLIP, _CLIP)
    apart = 1 + len(rows) // _MOST_WINDOWS
    windows = sliding_window_view(scaled, window, axis=0)[::apart].transpose(0, 2, 1)
    overlap = -(-window // apart)
    flat = (windows - windows.mean(axis=1, keepdims=True)).reshape(len(windows), -1)

    trainer = _Trainer(tuple(hidden), epochs, seed, progress)
    held_out = trainer.held_out_residuals(flat, overlap).reshape(windows.shape)
    network = trainer.train(flat)
    novelty = Novelty.fit(held_out, newest=min(max(window // 4, hop), window // 2))
    logs = novelty.logarithm(held_out)
    normal = NormalScore.fit(logs)
    threshold = normal.threshold(logs, false_alarm_rate, overlap=overlap)
    limits = KnownLimits.fit(scaled, window)

    build = GraphBuilder(name)
    raw = build.input("window", np.float32, (1, window, len(columns)))
    inside = _compile_scaling(build, raw, centre, scale)
    difference = _compile_residual(build, inside, network, windows.shape[1:])
    score = normal.compile(build, novelty.compile(build, difference, window))
    broken = limits.compile(build, inside, window, newest=novelty.newest, threshold=threshold)
    residual = build.op("Mul", difference, scale.astype(np.float32))
    return TrainedModel(
        name=name,
        model=build.finish(
            score=(build.op("Max", score, broken), np.float32, (1,)),
            residual=(residual, np.float32, (1, window, len(columns))),
        ),
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
            "training windows": float(len(flat)),
            "held-out windows": float(len(held_out)),
            "windows that do not overlap": float(len(rows) // window),
            "variance explained, held out": _explained(held_out, flat),
            "held-out windows above the threshold": float(np.mean(normal.score(logs) > threshold)),
            "threshold": threshold,
            "stated false-alarm rate": false_alarm_rate,
        },
    )


class _Trainer:
    """Trains networks to give back the windows they are shown."""

    def __init__(
        self,
        hidden: tuple[int, ...],
        epochs: int,
        seed: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self._hidden = hidden
        self._epochs = epochs
        self._seed = seed
        self._progress = progress
        self._done = 0

    def held_out_residuals(self, flat: Array, overlap: int) -> Array:
        """What networks leave over of blocks of windows that share no row with their training.

        `overlap` is how many windows each row is in.
        """
        residuals = np.empty_like(flat)
        numbers = np.arange(len(flat))
        edges = np.linspace(0, len(flat), _FOLDS + 1).astype(int)
        for first, end in pairwise(edges):
            apart = (numbers <= first - overlap) | (numbers >= end + overlap - 1)
            network = self.train(flat[apart])
            residuals[first:end] = flat[first:end] - _reproduced(network, flat[first:end])
        return residuals

    def train(self, flat: Array) -> MLPRegressor:
        """The network after its epochs, on at most 20,000 windows chosen by chance."""
        rng = np.random.default_rng(self._seed)
        if len(flat) > _MOST_TRAINING_WINDOWS:
            flat = flat[np.sort(rng.choice(len(flat), _MOST_TRAINING_WINDOWS, replace=False))]
        network = MLPRegressor(
            hidden_layer_sizes=self._hidden,
            random_state=self._seed,
            learning_rate_init=2e-3,
            batch_size=min(len(flat), max(32, min(256, len(flat) // 20))),
        )
        for _ in range(self._epochs):
            network.partial_fit(flat, flat)
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._epochs * (_FOLDS + 1))
        return network


def _checked(rows: Array, columns: Sequence[str], *, window: int, hop: int, rate: float) -> Array:
    """The rows as the board sees them: float32, held in float64."""
    rows = np.asarray(rows, np.float64)
    if rows.ndim != 2 or rows.shape[1] != len(columns) or not columns:
        raise InputError(f"rows have shape {list(rows.shape)}, not [N, {len(columns)}]")
    if window < 4 or hop < 1 or not 0 < rate < 1:
        raise InputError(
            f"window {window}, hop {hop} and false_alarm_rate {rate}: a window needs 4 rows, a hop "
            "1, and the rate lies between 0 and 1"
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(bad):
        raise InputError(f"row {bad[0]} holds NaN or infinity; mend or remove it")
    bad = np.flatnonzero((np.abs(rows) > _LARGEST).any(axis=1))
    if len(bad):
        raise InputError(f"row {bad[0]} holds a number beyond 1e30; mend or remove it")
    needed = _FEWEST_WINDOW_LENGTHS * window
    if len(rows) < needed:
        raise InputError(f"{len(rows)} rows are too few: windows of {window} need {needed} of them")
    return rows.astype(np.float32).astype(np.float64)


def _scales(rows: Array) -> Array:
    """Each column's deviation; for a constant one a hundredth of its level."""
    deviation, level = rows.std(axis=0), np.abs(rows.mean(axis=0))
    level = np.where(level > 0, level, 1.0)
    scale: Array = np.where(deviation > 1e-6 * level, deviation, 1e-2 * level)
    return scale


def _reproduced(network: MLPRegressor, flat: Array) -> Array:
    reproduced: Array = network.predict(flat).reshape(flat.shape)
    return reproduced


def _compile_scaling(build: GraphBuilder, raw: ir.Value, centre: Array, scale: Array) -> ir.Value:
    moved = build.op("Sub", raw, centre.astype(np.float32))
    scaled = build.op("Mul", moved, (1 / scale).astype(np.float32))
    return build.op("Clip", scaled, np.float32(-_CLIP), np.float32(_CLIP))


def _compile_residual(
    build: GraphBuilder, scaled: ir.Value, network: MLPRegressor, shape: tuple[int, ...]
) -> ir.Value:
    """Float32 `[1, length, columns]`: the centred window minus its reconstruction."""
    centred = build.op("Sub", scaled, build.op("ReduceMean", scaled, axes=[1], keepdims=1))
    value = build.op("Reshape", centred, np.array([1, -1]))
    for number, (weights, bias) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        if number:
            value = build.op("Relu", value)
        value = build.op("Gemm", value, weights.astype(np.float32), bias.astype(np.float32))
    return build.op("Sub", centred, build.op("Reshape", value, np.array([1, *shape])))


def _explained(residuals: Array, flat: Array) -> float:
    total = np.square(flat - flat.mean(axis=0)).sum()
    return float(1 - np.square(residuals).sum() / max(float(total), 1e-12))
