"""Measures bundles on this machine: time, memory, energy and heat."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.bench.energy import Meter, find_meter
from edgekit.bench.memory import Footprint, footprint
from edgekit.bench.report import (
    Benched,
    BenchedBundle,
    BenchReport,
    Excluded,
    Heat,
    Milliseconds,
    Spread,
)
from edgekit.bench.samples import bench_samples
from edgekit.bundle import MAIN, Artifact, Bundle, open_bundle
from edgekit.bundle.manifest import EngineName
from edgekit.daemon.thermal import read_temperature_c, read_throttling
from edgekit.errors import BundleError, EdgekitError, Unavailable
from edgekit.runtime.options import DEFAULTS, EngineOptions
from edgekit.runtime.prediction import Timing
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session
from edgekit.runtime.timing import interleaved, ratio

Progress = Callable[[str, int, int], None]
_CHUNK = 10
_WARMUP = 3
_ENERGY_TURNS = 3


def bench_bundle(
    bundle: Path,
    *,
    against: Path | None = None,
    engine: EngineName | Literal["all"] | None = None,
    variant: str = MAIN,
    options: EngineOptions = DEFAULTS,
    samples: int = 200,
    root: Path = Path("/"),
    meter: Meter | None = None,
    energy_turn_s: float = 1.0,
    progress: Progress = lambda *_: None,
) -> BenchReport:
    """Times artifacts sample by sample in one interleaved run, and weighs each by itself.

    Args:
        bundle: the folder of the one that is measured.
        against: that of another, to hold it against.
        engine: which artifact of each: the engine's, by default the first; `all` for every
            engine and variant.
        variant: which form of the model; `all` takes every one.
        options: how engines are to run it.
        samples: how many to time of each.
        root: where `/sys` is, with its sensors.
        meter: measures energy; by default what is found there.
        energy_turn_s: how long each runs, three times, while its energy is measured.
        progress: hears what is done, how far, and of how much.

    Raises:
        BundleError: a bundle must not be trusted, or nothing of it runs here.
    """
    paths = {"A": bundle} | ({} if against is None else {"B": against})
    bundles = {tag: open_bundle(path) for tag, path in paths.items()}
    subjects: list[_Subject] = []
    excluded: list[Excluded] = []
    meter = meter or find_meter(root)
    try:
        for tag, each in bundles.items():
            for artifact in _wanted(each, engine, variant):
                try:
                    subjects.append(_opened(tag, each, artifact, options))
                except EdgekitError as error:
                    if engine != "all":
                        raise
                    excluded.append(Excluded(tag, artifact.label, str(error)))
        if not subjects:
            why = "; ".join(f"{each.label}: {each.reason}" for each in excluded)
            raise BundleError(f"{bundle}: nothing in it runs on this machine: {why}")
        before_c, throttled = read_temperature_c(root), [read_throttling(root)]
        times = _times(subjects, samples, progress)
        energy = _energy(subjects, meter, energy_turn_s, progress)
        after_c = read_temperature_c(root)
        throttled.append(read_throttling(root))
    finally:
        for subject in subjects:
            subject.session.close()
    known = [each.is_held_back for each in throttled if each is not None]
    return BenchReport(
        bundles=tuple(
            BenchedBundle(
                tag=tag,
                path=str(each.path),
                name=each.manifest.name,
                version=each.manifest.version,
                hash=each.short_hash,
            )
            for tag, each in bundles.items()
        ),
        results=tuple(
            _result(
                subject,
                time,
                times[0],
                options.threads,
                energy=spent,
                memory=_weight(subject, options, progress),
            )
            for subject, time, spent in zip(subjects, times, energy, strict=True)
        ),
        excluded=tuple(excluded),
        heat=Heat(before_c=before_c, after_c=after_c, held_back=any(known) if known else None),
        energy_source=None if meter is None else meter.source,
    )


@dataclass
class _Subject:
    """An artifact that is open, with what it is fed and what each sample took."""

    tag: str
    session: Session
    samples: Iterator[Array]
    timings: list[Timing] = field(default_factory=list)

    def predict(self) -> None:
        """One sample, from array to prediction."""
        _, timing = self.session.predict(next(self.samples))
        self.timings.append(timing)


def _wanted(
    bundle: Bundle, engine: EngineName | Literal["all"] | None, variant: str
) -> Sequence[Artifact]:
    return bundle.artifacts() if engine == "all" else [bundle.artifact(engine, variant)]


def _opened(tag: str, bundle: Bundle, artifact: Artifact, options: EngineOptions) -> _Subject:
    session = Session.of(bundle, artifact, options)
    try:
        check_golden(session)
    except EdgekitError:
        session.close()
        raise
    return _Subject(tag, session, cycle(bench_samples(bundle, artifact)))


def _times(subjects: Sequence[_Subject], samples: int, progress: Progress) -> list[Array]:
    """Nanoseconds of each sample of each subject, all in turn."""
    ways = {str(number): subject.predict for number, subject in enumerate(subjects)}
    chunks = []
    for done in range(0, samples, _CHUNK):
        progress("timing", done, samples)
        rounds = min(_CHUNK, samples - done)
        chunks.append(interleaved(ways, rounds=rounds, warmup=0 if done else _WARMUP))
    progress("timing", samples, samples)
    return [np.concatenate([chunk[name] for chunk in chunks]) for name in ways]


def _energy(
    subjects: Sequence[_Subject], meter: Meter | None, turn_s: float, progress: Progress
) -> list[float | None]:
    """Millijoules a sample, each subject for a while in several turns."""
    if meter is None:
        return [None] * len(subjects)
    spent, counts = [0.0] * len(subjects), [0] * len(subjects)
    steps = _ENERGY_TURNS * len(subjects)
    for step in range(steps):
        progress("measuring energy", step, steps)
        number = step % len(subjects)
        with meter:
            until = perf_counter() + turn_s
            while perf_counter() < until:
                subjects[number].predict()
                counts[number] += 1
        spent[number] += meter.joules
    progress("measuring energy", steps, steps)
    return [1000 * joules / count for joules, count in zip(spent, counts, strict=True)]


def _weight(subject: _Subject, options: EngineOptions, progress: Progress) -> Footprint | None:
    progress("measuring memory", 0, 1)
    artifact = subject.session.artifact
    try:
        path = subject.session.bundle.path
        return footprint(path, artifact.engine, artifact.variant, options)
    except Unavailable:
        return None
    finally:
        progress("measuring memory", 1, 1)


def _result(
    subject: _Subject,
    times: Array,
    first: Array,
    threads: int,
    *,
    energy: float | None,
    memory: Footprint | None,
) -> Benched:
    session, artifact = subject.session, subject.session.artifact
    p50, p95, p99 = (float(value) / 1e6 for value in np.quantile(times, [0.5, 0.95, 0.99]))
    timings = subject.timings[_WARMUP : _WARMUP + len(times)]
    prepare, infer, interpret = (
        float(np.median([getattr(timing, stage) for timing in timings]))
        for stage in ("prepare", "infer", "interpret")
    )
    over = None if times is first else ratio(times, first)
    return Benched(
        tag=subject.tag,
        label=artifact.label,
        engine=artifact.engine,
        engine_version=session.engine.version,
        provider=session.engine.provider,
        variant=artifact.variant,
        threads=threads,
        samples=len(times),
        ms=Milliseconds(
            p50=p50, p95=p95, p99=p99, prepare=prepare, infer=infer, interpret=interpret
        ),
        per_second=1e9 / float(times.mean()),
        ratio=None if over is None else Spread(over.median, over.low, over.high),
        memory=memory,
        energy_mj=energy,
    )
