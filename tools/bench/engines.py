"""What engines cost: loading with and without the cache, running, and our share of a frame.

`.venv/bin/python -m tools.bench.engines --bundle BUNDLE`
"""

import tempfile
from itertools import cycle
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import click
import numpy as np
from msgspec.structs import replace

from edgekit.array import Array
from edgekit.bench.memory import Footprint, footprint
from edgekit.bench.samples import bench_samples
from edgekit.bundle import MAIN
from edgekit.runtime.choosing import choose_engine
from edgekit.runtime.loading import load_session
from edgekit.runtime.options import EngineOptions, graphs_in
from edgekit.runtime.session import Session
from edgekit.runtime.timing import interleaved, ratio

_LOADS = 15
_ROUNDS = 200


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path, exists=True), required=True)
def main(bundle: Path) -> None:
    """Measures a picture bundle that has an ONNX file."""
    click.echo("| figure | value |\n| --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        cached_loading(bundle, Path(folder))
        cached_running(bundle, Path(folder))
        own_share(bundle)
        choice(bundle, Path(folder))


def cached_loading(bundle: Path, state: Path) -> None:
    """Loads in fresh processes, with and without the cache in turn."""
    plain, cached = EngineOptions(), EngineOptions(cache=graphs_in(state))
    footprint(bundle, "onnxruntime", MAIN, cached)
    found: dict[bool, list[Footprint]] = {False: [], True: []}
    for turn in range(_LOADS):
        for is_cached in (False, True) if turn % 2 else (True, False):
            options = cached if is_cached else plain
            found[is_cached].append(footprint(bundle, "onnxruntime", MAIN, options))
    times = {way: np.array([each.load_ms for each in found[way]]) for way in found}
    sizes = {way: np.array([each.growth_bytes for each in found[way]]) / 1e6 for way in found}
    _row("loading with the cache / without, fresh processes", _spread(times[True] / times[False]))
    _row("memory of a model loaded without the cache, MB", _spread(sizes[False], digits=1))
    _row("with the cache, MB", _spread(sizes[True], digits=1))


def cached_running(bundle: Path, state: Path) -> None:
    """Runs the graph from the cache beside the one that is optimised at this start."""
    plain = Session.open(bundle, engine="onnxruntime")
    cached = Session.open(bundle, engine="onnxruntime", cache=graphs_in(state))
    tensor = plain.bundle.golden()["inputs"][0]
    times = interleaved(
        {
            "plain": lambda: plain.engine.run(tensor),
            "cached": lambda: cached.engine.run(tensor),
        },
        rounds=_ROUNDS,
    )
    _row(
        "a run of the cached graph / of the fresh one", str(ratio(times["cached"], times["plain"]))
    )


def own_share(bundle: Path) -> None:
    """A whole prediction beside the bare run of the same session."""
    session = load_session(bundle, engine="onnxruntime").session
    samples = cycle(bench_samples(session.bundle, session.artifact))
    tensor = session.bundle.golden()["inputs"][0]
    steps: list[tuple[float, float]] = []

    def predict() -> None:
        _, timing = session.predict(next(samples))
        steps.append((timing.prepare * 1000, timing.interpret * 1000))

    times = interleaved(
        {"bare": lambda: session.engine.run(tensor), "predict": predict}, rounds=_ROUNDS
    )
    prepare, interpret = np.median(steps, axis=0)
    _row("`Session.predict` / the bare run", str(ratio(times["predict"], times["bare"])))
    _row("preparing and interpreting, microseconds", f"{prepare:.0f} and {interpret:.0f}")


def choice(bundle: Path, state: Path) -> None:
    """What `engine = "auto"` finds, and what that costs the first and every other start."""
    started = perf_counter_ns()
    found = choose_engine(load_session(bundle).session.bundle, state_dir=state)
    first_ns = perf_counter_ns() - started
    for label, threads, says, chosen in found.rows():
        _row(f"auto: {label}, {threads} thread {chosen}".rstrip(), says)
    named: dict[str, Any] = {
        "engine": found.engine,
        "variant": found.variant,
        "threads": found.threads,
    }
    times = interleaved(
        {
            "named": lambda: load_session(bundle, state_dir=state, **named).session.close(),
            "auto": lambda: load_session(bundle, state_dir=state, engine="auto").session.close(),
        },
        rounds=_LOADS,
    )
    assert load_session(bundle, state_dir=state, engine="auto").choice == replace(
        found, remembered=True
    )
    _row("a load with a remembered choice / with the engine named",
         str(ratio(times["auto"], times["named"])))  # fmt: skip
    _row("the first load with auto / with the engine named",
         f"{first_ns / float(np.median(times['named'])):.0f}")  # fmt: skip


def _row(what: str, value: str) -> None:
    click.echo(f"| {what} | {value} |")


def _spread(values: Array, *, digits: int = 2) -> str:
    low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"{median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


if __name__ == "__main__":
    main()
