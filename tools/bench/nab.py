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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
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
GAUSSIAN_THRESHOLD = 6.0
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class Scored:
    """What a detector said of a stream.

    Attributes:
        scores: float64 `[N]`, `NEVER` where it was not asked.
        threshold: the score above which it alarms.
    """

    scores: Array
    threshold: float

    def alarms(self, *, merged: bool) -> Array:
        """Bool `[N]`; `merged` leaves the first of each run."""
        over: Array = self.scores > self.threshold
        return first_of_each_run(over, quiet_rows=QUIET_ROWS) if merged else over


def main() -> None:
    streams = load_streams(arguments())
    jobs = [(stream, seed) for seed in SEEDS for stream in streams]
    with ProcessPoolExecutor(2) as pool:
        made = list(pool.map(autoencoder_scores, jobs))
        gaussian = list(pool.map(gaussian_scores, streams))
    runs = [made[first : first + len(streams)] for first in range(0, len(made), len(streams))]

    print(f"## Autoencoder, {len(streams)} streams, the thresholds it was built with, seed 0\n")
    heading("stream", "windows hit", "alarms outside", "a 1,000 rows", "of windows in alarm, %")
    for stream, scored in zip(streams, runs[0], strict=True):
        show_stream(stream, scored)
    print(f"\n## Beside a windowed Gaussian, standard profile, mean of {len(SEEDS)} seeds\n")
    print(
        f"An alarm that comes at most {QUIET_ROWS} rows after another is part of its run. The "
        "autoencoder speaks once a window, the Gaussian once a row.\n"
    )
    heading("detector", "NAB score", "windows hit", "alarms outside a 1,000 rows", "threshold")
    for merged in (True, False):
        show_detector("autoencoder", streams, runs, merged=merged)
        show_detector("windowed Gaussian", streams, [gaussian], merged=merged)
    print("\nPublished, of all 58 streams, each with the threshold that is best for the corpus:\n")
    heading("detector", "NAB score")
    for name, score in published(arguments()):
        print(f"| {name} | {score} |")


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


def autoencoder_scores(job: tuple[Stream, int]) -> Scored:
    """A stream's scores, with a seed."""
    stream, seed = job
    scores = np.full(len(stream.rows), NEVER)
    try:
        rows = stream.rows[: stream.probation]
        trained = build_autoencoder(rows, columns=("value",), seed=seed)
    except EdgekitError as error:
        print(f"{stream.name}: left out: {error}", file=sys.stderr)
        return Scored(scores, 0.0)
    rule = trained.input.window
    assert rule is not None
    assert trained.thresholds is not None
    engine = OnnxRuntimeEngine(bytes(ir.to_proto(trained.model).SerializeToString()))
    for end in range(stream.probation + rule.hop, len(scores) + 1, rule.hop):
        window = stream.rows[np.newaxis, end - rule.length : end].astype(np.float32)
        scores[end - 1] = engine.run(window)["score"][0]
    return Scored(scores, trained.thresholds.anomaly)


def gaussian_scores(stream: Stream) -> Scored:
    """Deviations of each row from the mean of the 1,000 rows before it."""
    values = stream.rows[:, 0]
    scores = np.full(len(values), NEVER)
    for row in range(stream.probation, len(values)):
        before = values[max(0, row - GAUSSIAN_ROWS) : row]
        scores[row] = abs(values[row] - before.mean()) / max(float(before.std()), 1e-6)
    return Scored(scores, GAUSSIAN_THRESHOLD)


def show_stream(stream: Stream, scored: Scored) -> None:
    found = judged(stream, scored.alarms(merged=True))
    each = judged(stream, scored.alarms(merged=False)).false_alarms
    asked = judged(stream, scored.scores > NEVER).false_alarms
    print(
        f"| {stream.name} | {found.hits} of {found.windows} | {found.false_alarms} "
        f"| {found.false_alarms_per_1000:.2f} | {100 * each / max(asked, 1):.2f} |"
    )


def show_detector(
    name: str, streams: Sequence[Stream], runs: Sequence[Sequence[Scored]], *, merged: bool
) -> None:
    """Two lines: with the thresholds that were fixed in advance, and with the best in hindsight."""
    fixed = [outcome(streams, run, merged=merged) for run in runs]
    best = [best_outcome(streams, run, merged=merged) for run in runs]
    counted = "one a run" if merged else "each counted"
    for outcomes, threshold in (
        (fixed, f"fixed in advance, {runs[0][0].threshold:.2f}"),
        (best, "best for the corpus"),
    ):
        scores = [found.score for found in outcomes]
        spread = f" ({min(scores):.1f} to {max(scores):.1f})" if len(scores) > 1 else ""
        hits = np.mean([found.hits for found in outcomes])
        false = np.mean([found.false_alarms_per_1000 for found in outcomes])
        print(
            f"| {name}, alarms: {counted} | {np.mean(scores):.1f}{spread} "
            f"| {hits:.1f} of {outcomes[0].windows} | {false:.2f} | {threshold} |"
        )


def best_outcome(streams: Sequence[Stream], run: Sequence[Scored], *, merged: bool) -> Outcome:
    """With the one threshold for all streams that scores best, as NAB's own list is made."""
    said = np.concatenate([scored.scores for scored in run])
    candidates = np.quantile(said[said > NEVER], 1 - np.logspace(-4, -1, 60))
    return max(
        (
            outcome(streams, [Scored(one.scores, float(limit)) for one in run], merged=merged)
            for limit in candidates
        ),
        key=lambda found: found.score,
    )


def outcome(streams: Sequence[Stream], run: Sequence[Scored], *, merged: bool) -> Outcome:
    return together(
        [
            judged(stream, scored.alarms(merged=merged))
            for stream, scored in zip(streams, run, strict=True)
        ]
    )


def published(folder: Path) -> list[tuple[str, str]]:
    with (folder / "scoreboard.csv").open(encoding="utf-8", newline="") as file:
        return [(line["detector"], line["standard"]) for line in csv.DictReader(file)]


def heading(*names: str) -> None:
    print("| " + " | ".join(names) + " |")
    print("| " + " | ".join("---" for _ in names) + " |", flush=True)


if __name__ == "__main__":
    main()
