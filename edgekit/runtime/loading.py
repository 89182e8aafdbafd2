"""Loads a bundle for service: the engine chosen, the golden vectors reproduced, or not at all."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgekit.bundle import MAIN, Artifact, Bundle, open_bundle
from edgekit.bundle.manifest import EngineName
from edgekit.errors import BundleError, EdgekitError, InputError
from edgekit.runtime.choice import Choice
from edgekit.runtime.choosing import choose_engine
from edgekit.runtime.memory import give_memory_back
from edgekit.runtime.onnxruntime_engine import OnnxRuntimeEngine
from edgekit.runtime.options import EngineOptions, graphs_in
from edgekit.runtime.selftest import check_golden
from edgekit.runtime.session import Session

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A bundle that is ready to serve.

    Attributes:
        session: what predicts.
        checked: how many golden vectors it reproduced.
        choice: how its engine was chosen, where that was left to the board.
    """

    session: Session
    checked: int
    choice: Choice | None = None


def load_session(
    path: Path,
    *,
    engine: EngineName | Literal["auto"] | None = None,
    variant: str = MAIN,
    threads: int | Sequence[int] = 1,
    providers: Sequence[str] = (),
    arena: bool = False,
    state_dir: Path | None = None,
) -> Loaded:
    """Opens a bundle and holds it to its golden vectors.

    Safe to call beside a session that is running: nothing is shared.

    Args:
        path: the bundle's folder.
        engine: what is to run it: by default the first that the manifest names, `auto` for the
            fastest that passes. One that is not installed gives way to the bundle's next, with a
            warning.
        variant: which form of the model; `auto` looks at all.
        threads: how many compute; `auto` tries each of several, otherwise the first counts.
        providers: onnxruntime's execution providers, the most wanted first.
        arena: whether onnxruntime keeps freed memory for the next run.
        state_dir: where choices and optimised graphs are kept; without it, neither is.

    Raises:
        BundleError: the bundle must not be trusted, here or anywhere.
        UnsupportedModel: the engine cannot run the model.
        InputError: no engine that the bundle has a file for is installed.
    """
    bundle = open_bundle(path)
    counts = (threads,) if isinstance(threads, int) else tuple(threads)
    options = EngineOptions(
        threads=counts[0],
        arena=arena,
        providers=tuple(providers),
        cache=None if state_dir is None else graphs_in(state_dir),
    )
    if engine == "auto":
        return _chosen(bundle, counts, options, state_dir)
    wanted = bundle.artifact(engine, variant)
    others = [
        artifact
        for artifact in bundle.artifacts()
        if artifact.variant == variant and artifact != wanted
    ]
    session = _opened([wanted, *others], bundle, options)
    return Loaded(*_checked(session, options))


def _chosen(
    bundle: Bundle, threads: Sequence[int], options: EngineOptions, state_dir: Path | None
) -> Loaded:
    """What was chosen at an earlier start, as long as it still passes; else chosen now."""
    for again in (False, True):
        choice = choose_engine(
            bundle, threads=threads, options=options, state_dir=state_dir, again=again
        )
        try:
            artifact = bundle.artifact(choice.engine, choice.variant)
            chosen = replace(options, threads=choice.threads)
            return Loaded(*_checked(Session.of(bundle, artifact, chosen), chosen), choice)
        except EdgekitError as error:
            if not choice.remembered:
                raise
            _log.warning("%s: %s ran before and does not now: %s", bundle.path, choice.label, error)
    raise AssertionError("a choice that is made again is not remembered")


def _opened(artifacts: Sequence[Artifact], bundle: Bundle, options: EngineOptions) -> Session:
    """The first whose engine is installed."""
    missing: InputError | None = None
    for artifact in artifacts:
        try:
            session = Session.of(bundle, artifact, options)
        except InputError as error:
            missing = missing or error
            continue
        if missing is not None:
            _log.warning("%s: runs with %s: %s", bundle.path, artifact.label, missing)
        return session
    assert missing is not None, "there is at least one artifact"
    raise missing


def _checked(session: Session, options: EngineOptions) -> tuple[Session, int]:
    """Holds a session to its golden vectors; a cached graph that fails gives way to a fresh one."""
    try:
        return session, _passed(session)
    except BundleError as error:
        engine = session.engine
        if not (isinstance(engine, OnnxRuntimeEngine) and engine.from_cache):
            raise
        _log.warning("%s: its cached graph is made again: %s", session.bundle.path, error)
        engine.forget_cached()
    session = Session.of(session.bundle, session.artifact, options)
    return session, _passed(session)


def _passed(session: Session) -> int:
    """How many golden vectors it reproduced; a session that does not is closed."""
    try:
        count = check_golden(session)
    except EdgekitError:
        session.close()
        raise
    give_memory_back()
    return count
