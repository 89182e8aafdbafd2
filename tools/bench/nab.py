"""Measures the autoencoder on the Numenta Anomaly Benchmark's labelled streams; Markdown.

Run it from the repository as `python -m tools.bench.nab`; under 5 minutes on two cores. Each
stream's first 15 % (at most 750 rows, as the benchmark prescribes) train a model; the graph then
sees the rest in order, by its own window rule, with the threshold that it was built with.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import EdgekitError
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.zoo.autoencoder import build_autoencoder
from tools.bench.nab_scoring import Outcome, Stream, first_of_each_run, judged, together

QUIET_ROWS = 32
"""An alarm that comes at most so many rows after another belongs to it."""
NEVER = -1e9
GAUSSIAN_ROWS = 1000


def main() -> None:
    folder = arguments()
    streams = load_streams(folder)
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(autoencoder_scores, streams))
        gaussian = list(pool.map(gaussian_scores, streams))
    scores = [scored for scored, _ in made]
    thresholds = [threshold for _, threshold in made]
    gaussian_limits = [6.0] * len(streams)

    print(f"## Autoencoder, {len(streams)} streams, the thresholds they were built with\n")
    heading("stream", "windows hit", "alarms outside", "a 1,000 rows", "of windows in alarm, %")
    for stream, scored, threshold in zip(streams, scores, thresholds, strict=True):
        show_stream(stream, scored, threshold)
    print("\n## Against others, standard profile\n")
    print(
        f"An alarm that comes at most {QUIET_ROWS} rows after another is part of its run. The "
        "autoencoder speaks once a window, the Gaussian once a row. Published scores are of all "
        "58 streams of the benchmark, with the threshold that is best for the corpus.\n"
    )
    heading("detector", "NAB score", "windows hit", "alarms outside a 1,000 rows", "threshold")
    for merged in (True, False):
        for name, values, limits in (
            ("autoencoder", scores, thresholds),
            ("windowed Gaussian, run here", gaussian, gaussian_limits),
        ):
            show_detector(streams, name, values, limits, merged=merged)
    for name, score in published(folder):
        print(f"| {name}, published | {score} | | | |")


def arguments() -> Path:
    """The folder of the benchmark."""
    given = os.environ.get("EDGEKIT_DATA")
    usual = Path(given) if given else Path(__file__).parents[2].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=usual, help="the folder that has nab/ in it")
    folder: Path = parser.parse_args().data / "nab"
    if not (folder / "labels" / "combined_windows.json").is_file():
        sys.exit(f"{folder}: is not there; say --data FOLDER, or set EDGEKIT_DATA to it")
    return folder


def load_streams(folder: Path) -> list[Stream]:
    """Every stream that is labelled and there."""
    labels = json.loads((folder / "labels" / "combined_windows.json").read_text())
    return [
        load_stream(folder / "data" / name, name, windows)
        for name, windows in sorted(labels.items())
        if (folder / "data" / name).is_file()
    ]


def load_stream(path: Path, name: str, windows: Sequence[Sequence[str]]) -> Stream:
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    times = [line["timestamp"] for line in lines]
    rows = np.array([[float(line["value"])] for line in lines])
    ends = tuple((times.index(first[:19]), times.index(last[:19])) for first, last in windows)
    return Stream(name, rows, ends)


def autoencoder_scores(stream: Stream) -> tuple[Array, float]:
    """The score at each row that ends a window, `NEVER` elsewhere; and the threshold."""
    scores = np.full(len(stream.rows), NEVER)
    try:
        trained = build_autoencoder(stream.rows[: stream.probation], columns=("value",))
    except EdgekitError as error:
        print(f"{stream.name}: left out: {error}", file=sys.stderr)
        return scores, 0.0
    rule = trained.input.window
    assert rule is not None
    assert trained.thresholds is not None
    engine = OnnxRuntimeEngine(bytes(ir.to_proto(trained.model).SerializeToString()))
    for end in range(stream.probation + rule.hop, len(scores) + 1, rule.hop):
        window = stream.rows[np.newaxis, end - rule.length : end].astype(np.float32)
        scores[end - 1] = engine.run(window)["score"][0]
    return scores, trained.thresholds.anomaly


def gaussian_scores(stream: Stream) -> Array:
    """Deviations of each row from the mean of the 1,000 rows before it."""
    values = stream.rows[:, 0]
    scores = np.full(len(values), NEVER)
    for row in range(stream.probation, len(values)):
        before = values[max(0, row - GAUSSIAN_ROWS) : row]
        scores[row] = abs(values[row] - before.mean()) / max(float(before.std()), 1e-6)
    return scores


def show_stream(stream: Stream, scored: Array, threshold: float) -> None:
    found = judged(stream, first_of_each_run(scored > threshold, quiet_rows=QUIET_ROWS))
    each = judged(stream, scored > threshold).false_alarms
    asked = judged(stream, scored > NEVER).false_alarms
    print(
        f"| {stream.name} | {found.hits} of {found.windows} | {found.false_alarms} "
        f"| {found.false_alarms_per_1000:.2f} | {100 * each / max(asked, 1):.2f} |"
    )


def show_detector(
    streams: Sequence[Stream],
    name: str,
    scores: Sequence[Array],
    limits: Sequence[float],
    *,
    merged: bool,
) -> None:
    def outcome(limit: Callable[[int], float]) -> Outcome:
        return together(
            [
                judged(
                    stream,
                    first_of_each_run(scored > limit(number), quiet_rows=QUIET_ROWS)
                    if merged
                    else scored > limit(number),
                )
                for number, (stream, scored) in enumerate(zip(streams, scores, strict=True))
            ]
        )

    counted = "one a run" if merged else "each counted"
    everything = np.concatenate(scores)
    everything = everything[everything > NEVER]
    candidates = np.quantile(everything, 1 - np.logspace(-4, -1, 60))
    best = max(candidates, key=lambda limit: outcome(lambda _: float(limit)).score)
    for limit, how in (
        (lambda number: limits[number], f"fixed, {limits[0]:.2f}"),
        (lambda _: float(best), f"best for the corpus, {best:.2f}"),
    ):
        found = outcome(limit)
        print(
            f"| {name}, alarms: {counted} | {found.score:.1f} | {found.hits} of {found.windows} "
            f"| {found.false_alarms_per_1000:.2f} | {how} |"
        )


def published(folder: Path) -> list[tuple[str, str]]:
    with (folder / "scoreboard.csv").open(encoding="utf-8", newline="") as file:
        return [(line["detector"], line["standard"]) for line in csv.DictReader(file)]


def heading(*names: str) -> None:
    print("| " + " | ".join(names) + " |")
    print("| " + " | ".join("---" for _ in names) + " |", flush=True)


if __name__ == "__main__":
    main()
