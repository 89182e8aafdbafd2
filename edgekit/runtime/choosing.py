"""Chooses what runs a bundle by trying everything that could on this very CPU."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, product
from pathlib import Path

import msgspec

from edgekit.array import Array
from edgekit.bundle import Artifact, Bundle
from edgekit.errors import BundleError, EdgekitError
from edgekit.runtime.choice import Choice, Contender, choice_key, recall, remember
from edgekit.runtime.cpu import cpu_identity
from edgekit.runtime.engine import engine_versions
from edgekit.runtime.options import DEFAULTS, EngineOptions, choices_in
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session
from edgekit.runtime.timing import Ratio, interleaved, ratio

MARGIN = 0.05
"""How much faster another way has to be before it takes an earlier one's place."""

_FEWEST_ROUNDS, _MOST_ROUNDS = 7, 160
_BUDGET_NS = 2_000_000_000

_log = logging.getLogger(__name__)
Opener = Callable[[Bundle, Artifact, EngineOptions], Session]
Duel = Callable[[Session, Session, Array, Array], Ratio]


def choose_engine(
    bundle: Bundle,
    *,
    threads: Sequence[int] = (1,),
    options: EngineOptions = DEFAULTS,
    state_dir: Path | None = None,
    again: bool = False,
    open_artifact: Opener = Session.of,
    duel: Duel | None = None,
) -> Choice:
    """The fastest of a bundle's artifacts, engines and numbers of threads that passes.

    Each is opened, held to its golden outputs and timed beside the best so far, so two models are
    in memory at most. The first in the bundle's order stays unless another is faster by `MARGIN`.

    Args:
        bundle: a verified bundle.
        threads: the numbers of threads to try.
        options: how engines are to run it otherwise.
        state_dir: where the choice is remembered; without it, it is made each time.
        again: whether to choose again although one is remembered.
        open_artifact: opens a session.
        duel: times the second session over the first on their golden inputs.

    Raises:
        BundleError: nothing that is in the bundle passes here; says of each why.
    """
    folder = None if state_dir is None else choices_in(state_dir)
    settings = (sorted(threads), options.arena, options.providers)
    key = choice_key(bundle, versions=engine_versions(), cpu=cpu_identity(), settings=settings)
    if folder is not None and not again and (known := recall(folder, key, bundle)) is not None:
        return known
    choice = _tried(bundle, threads, options, open_artifact, duel or time_duel)
    if folder is not None and not remember(folder, key, choice):
        _log.warning("%s: cannot be written: the next start chooses again", folder)
    return choice


def time_duel(first: Session, second: Session, of_first: Array, of_second: Array) -> Ratio:
    """The second's time over the first's, an input of each a round, in some two seconds.

    Slow boards take longer: each runs nine times at least.
    """
    firsts, seconds = cycle(of_first), cycle(of_second)
    ways = {
        "first": lambda: first.engine.run(next(firsts)),
        "second": lambda: second.engine.run(next(seconds)),
    }
    tried = interleaved(ways, rounds=1, warmup=1)
    once = max(1, int(sum(time[0] for time in tried.values())))
    rounds = max(_FEWEST_ROUNDS, min(_MOST_ROUNDS, _BUDGET_NS // once))
    times = interleaved(ways, rounds=rounds, warmup=0)
    return ratio(times["second"], times["first"])


@dataclass(frozen=True)
class _Best:
    """The best so far: its session, its golden inputs, and its time over that of the first."""

    way: Contender
    session: Session
    inputs: Array | None
    ratio: float = 1.0


def _tried(
    bundle: Bundle,
    threads: Sequence[int],
    options: EngineOptions,
    open_artifact: Opener,
    duel: Duel,
) -> Choice:
    ways: list[Contender] = []
    best: _Best | None = None
    golden = bundle.golden()
    try:
        for artifact, count in product(bundle.artifacts(), dict.fromkeys(threads)):
            way = Contender(
                label=artifact.label,
                engine=artifact.engine,
                variant=artifact.variant,
                threads=count,
            )
            try:
                session = _passing(open_artifact(bundle, artifact, replace(options, threads=count)))
            except EdgekitError as error:
                ways.append(msgspec.structs.replace(way, out=str(error)))
                continue
            inputs = golden.get(artifact.golden_inputs, golden.get("inputs"))
            if inputs is not None and not len(inputs):
                inputs = None
            if best is None:
                best = _Best(way, session, inputs)
                ways.append(way)
            elif inputs is None or best.inputs is None:
                session.close()
                ways.append(msgspec.structs.replace(way, out="no golden vectors to hold it to"))
            else:
                way, best = _after_duel(best, _Best(way, session, inputs), duel)
                ways.append(way)
    finally:
        if best is not None:
            best.session.close()
    if best is None:
        why = "; ".join(f"{way.label}: {way.out}" for way in ways)
        raise BundleError(f"{bundle.path}: nothing in it runs on this machine: {why}")
    return Choice(
        engine=best.way.engine,
        variant=best.way.variant,
        threads=best.way.threads,
        contenders=tuple(_with_first(ways)),
    )


def _passing(session: Session) -> Session:
    """The session, if it reproduces its golden vectors; else it is closed."""
    try:
        check_golden(session)
    except EdgekitError:
        session.close()
        raise
    return session


def _after_duel(best: _Best, other: _Best, duel: Duel) -> tuple[Contender, _Best]:
    """The other's figures, and which of the two stays; the one that does not is closed."""
    assert best.inputs is not None
    assert other.inputs is not None
    found = duel(best.session, other.session, best.inputs, other.inputs)
    median, low, high = (value * best.ratio for value in (found.median, found.low, found.high))
    way = msgspec.structs.replace(other.way, ratio=median, low=low, high=high)
    if found.median < 1 - MARGIN:
        best.session.close()
        return way, _Best(way, other.session, other.inputs, median)
    other.session.close()
    return way, best


def _with_first(ways: Sequence[Contender]) -> Iterator[Contender]:
    """The first that passed is 1, where others were timed beside it."""
    is_timed = any(way.ratio is not None for way in ways)
    for way in ways:
        is_first = is_timed and way.out is None and way.ratio is None
        yield msgspec.structs.replace(way, ratio=1.0) if is_first else way
