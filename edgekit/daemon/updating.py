"""Keeps a board's bundles up to date: follows hints, tries releases beside the running model."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import msgspec

from edgekit.bundle import open_bundle
from edgekit.config.schema import Settings
from edgekit.daemon.assembly.pipelines import Pipeline
from edgekit.daemon.shadow import Shadow
from edgekit.errors import EdgekitError, InputError, Unavailable
from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.payloads import DeployDesired, DeployPhase, DeployStatus
from edgekit.runtime.session import Session
from edgekit.update import Boot, CanaryPolicy, Candidate, Release, Step, Updates

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_CLOSE_S = 2.0
_RETRY_S, _LONGEST_RETRY_S = 30.0, 3600.0
_MOST_HINTS = 64

Tell = Callable[[str, DeployStatus], None]
Task = TypeVar("Task")


class Board(Protocol):
    """What updating needs of the daemon around it."""

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """Those that run, by name."""

    def load(self, pipeline: str, bundle: Path) -> Session:
        """Loads a bundle as a pipeline's settings say, and holds it to its golden vectors.

        Raises:
            EdgekitError: it cannot be run here.
        """

    def take_over(self) -> None:
        """Has pipelines follow the bundles that are current now, without losing a sample.

        Raises:
            EdgekitError: they cannot.
        """

    def temperature_c(self) -> float | None:
        """How hot the board is."""


@dataclass(frozen=True)
class _Hint:
    name: str
    wish: DeployDesired | None


@dataclass(frozen=True)
class _Retry:
    due_s: float
    wish: DeployDesired | None
    delays: Iterator[float]


class Updating:
    """Inside its `with` block a thread fetches, tries, and commits or rolls back.

    The running model answers throughout: a release on trial sees the same samples on the side.
    Each step is told as a `deploy/status`. A hint for a version is only a wish to look into the
    signed repository.
    """

    def __init__(
        self,
        updates: Updates,
        board: Board,
        *,
        boot: str,
        policy: CanaryPolicy,
        poll_s: float,
        automatic: bool,
        tell: Tell,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares the thread.

        Args:
            updates: fetches, and keeps the slots.
            board: the daemon around it.
            boot: the id of this run of the daemon.
            policy: judges a release on trial.
            poll_s: how often to look without a hint.
            automatic: whether the newest release is installed without a hint.
            tell: takes each status, by the bundle's name.
            clock_s: seconds that never jump.
        """
        self._clock_s = clock_s
        self._retries: dict[str, _Retry] = {}
        self._updates = updates
        self._board = board
        self._boot = boot
        self._policy = policy
        self._poll_s = poll_s
        self._automatic = automatic
        self._tell = tell
        self._boots: dict[str, Boot] = {}
        self._paths: dict[str, Path] = {}
        self._shipped: dict[str, Path] = {}
        self._running: dict[str, str] = {}
        self._asked: dict[str, DeployDesired] = {}
        self._hints: queue.Queue[_Hint | None] = queue.Queue(_MOST_HINTS)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="updates", daemon=True)

    def resolve(self, settings: Settings) -> Settings:
        """The settings, but with the bundles that this board has committed since.

        Raises:
            BundleError: a pipeline has no bundle that may run.
        """
        pipelines = {
            name: msgspec.structs.replace(table, bundle=self._current(table.bundle))
            for name, table in settings.pipelines.items()
        }
        return msgspec.structs.replace(settings, pipelines=pipelines)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._queue(None)
        self._thread.join(_CLOSE_S)

    def hint(self, name: str, wish: DeployDesired | None = None) -> None:
        """Has the repository looked into soon. From any thread, and at once."""
        if name in self._paths:
            self._queue(_Hint(name, wish))
        else:
            _log.warning("updates: no pipeline runs a bundle %r", name)

    def _queue(self, hint: _Hint | None) -> None:
        try:
            self._hints.put_nowait(hint)
        except queue.Full:
            _log.warning("updates: too many hints at once; passed one over")

    def _current(self, shipped: Path) -> Path:
        """Where the bundle is that runs in place of the one that settings name."""
        manifest = open_bundle(shipped).manifest
        name = manifest.name
        if name not in self._paths:
            boot = self._updates.boot(name, shipped=shipped)
            for note in boot.notes:
                _log.warning("updates: %s: %s", name, note)
            self._boots[name] = boot
            self._shipped[name] = shipped
            self._paths[name] = boot.bundle.path
            self._running[name] = boot.bundle.manifest.version
        elif shipped != self._shipped[name]:
            if self._paths[name] == self._shipped[name]:  # nothing was committed in its place
                self._paths[name], self._running[name] = shipped, manifest.version
            else:
                _log.warning("updates: %s: %s gives way to what was committed", name, shipped)
            self._shipped[name] = shipped
        return self._paths[name]

    # What follows runs on the thread.

    def _run(self) -> None:
        for name, boot in self._boots.items():
            if boot.notes and boot.trial is None:
                self._say(name, "rolled-back", reason="; ".join(boot.notes))
            else:
                self._say(name, "idle")
            if boot.trial is not None:
                self._guarded(self._watch, name, boot.trial)
        next_poll_s = self._clock_s() + self._poll_s
        while not self._closing.is_set():
            due_s = min([next_poll_s, *(retry.due_s for retry in self._retries.values())])
            try:
                hint = self._hints.get(timeout=max(0.0, due_s - self._clock_s()))
            except queue.Empty:
                hint = None
            if hint is not None:
                self._retries.pop(hint.name, None)
                self._guarded(self._follow, hint.name, hint.wish)
            for name, retry in list(self._retries.items()):
                if retry.due_s <= self._clock_s():
                    self._guarded(self._follow, name, retry.wish)
            if self._clock_s() >= next_poll_s:
                next_poll_s = self._clock_s() + self._poll_s
                for name in list(self._paths) if self._automatic else ():
                    self._guarded(self._follow, name, None)

    def _guarded(self, work: Callable[[str, Task], None], name: str, task: Task) -> None:
        """Does a step of updating a bundle, and tells what came of it where it failed."""
        try:
            work(name, task)
        except (Unavailable, InputError) as error:
            self._say(name, "failed", reason=str(error))
            self._try_later(name)
            return
        except EdgekitError as error:
            self._say(name, "refused", reason=str(error))
        except Exception as error:
            _log.exception("updates: a bug")
            self._say(name, "failed", reason=f"a bug: {error!r}")
        self._retries.pop(name, None)

    def _try_later(self, name: str) -> None:
        """A full disk or a repository that is away may be better in a while."""
        retry = self._retries.get(name)
        delays = jittered_backoff(_RETRY_S, _LONGEST_RETRY_S) if retry is None else retry.delays
        due_s = self._clock_s() + next(delays)
        self._retries[name] = _Retry(due_s, self._asked.get(name), delays)

    def _follow(self, name: str, wish: DeployDesired | None) -> None:
        if wish is not None:
            self._asked[name] = wish
        if wish is not None and wish.action == "roll-back":
            self._go_back(name, wish)
            return
        version = None if wish is None else wish.version
        outcome = self._updates.state(name).outcome
        was_given_up = outcome is not None and outcome.kind == "rolled-back"
        if outcome is not None and was_given_up and outcome.release.version == version:
            # A retained hint comes again at every connect.
            self._say(name, "rolled-back", version=version, reason=outcome.reason)
            return

        def arrived(step: Step) -> None:
            share = step.done_bytes / step.total_bytes if step.total_bytes else None
            self._say(name, step.phase, version=_version(step.release) or version, share=share)

        release = self._updates.fetch(name, version, tell=_sparsely(arrived))
        if release is None:
            self._say(name, "idle")
            return
        self._watch(name, self._updates.begin_trial(name))

    def _go_back(self, name: str, wish: DeployDesired) -> None:
        """Leaves the version that the wish names; nothing where another one runs by now."""
        if self._running[name] != wish.version:
            self._say(name, "idle")
            return
        bundle = self._updates.go_back(name, "an operator wished it")
        path = self._shipped[name] if bundle is None else bundle.path
        self._adopt(name, path)
        self._say(name, "rolled-back", version=wish.version, reason="an operator wished it")

    def _watch(self, name: str, candidate: Candidate) -> None:
        """Tries a release beside the running model until the judge has decided."""
        release = candidate.release
        shadows: dict[str, Shadow] = {}
        before_c = self._board.temperature_c()
        try:
            for pipeline in self._pipelines_of(name):
                session = self._board.load(pipeline, candidate.bundle.path)
                shadows[pipeline] = Shadow(session)
            if shadows:
                reason = self._verdict(name, release, shadows, before_c)
            else:
                reason = "no pipeline runs this bundle any more, so it cannot be tried"
        except EdgekitError as error:
            reason = str(error)
        finally:
            for pipeline, shadow in shadows.items():
                self._dismiss(pipeline, shadow)
            shadows.clear()  # three models at once are too many for a small board
        if self._closing.is_set():
            return  # the trial goes on at the next start
        if reason is not None:
            self._updates.roll_back(name, reason)
            self._say(name, "rolled-back", version=release.version, reason=reason)
            return
        self._updates.commit(name)
        self._adopt(name, candidate.bundle.path)
        self._say(name, "committed", version=release.version)

    def _verdict(
        self, name: str, release: Release, shadows: Mapping[str, Shadow], before_c: float | None
    ) -> str | None:
        """Waits for the judge; gives why the release is to be rolled back, or `None`."""
        said = None
        while not self._closing.is_set():
            for pipeline, shadow in shadows.items():  # again, since a reload may make it anew
                if (found := self._board.pipelines.get(pipeline)) is not None:
                    found.supervised.runner.witness = shadow
            temperature_c = self._board.temperature_c()
            verdicts = [
                self._policy.judge(
                    shadow.observations(temperature_c=temperature_c, before_c=before_c)
                )
                for shadow in shadows.values()
            ]
            for verdict in verdicts:
                if verdict.kind == "roll back":
                    return verdict.reason
            if all(verdict.kind == "commit" for verdict in verdicts):
                return None
            waits = "; ".join(verdict.reason for verdict in verdicts if verdict.reason)
            if said is None:
                said = waits
                self._say(name, "trial", version=release.version, reason=waits)
            self._closing.wait(_LOOK_EVERY_S)
        return None

    def _adopt(self, name: str, path: Path) -> None:
        before = self._paths[name]
        self._paths[name] = path
        self._running[name] = open_bundle(path).manifest.version
        try:
            self._board.take_over()
        except EdgekitError:
            self._paths[name] = before
            raise

    def _dismiss(self, pipeline: str, shadow: Shadow) -> None:
        running = self._board.pipelines.get(pipeline)
        if running is not None and running.supervised.runner.witness is shadow:
            running.supervised.runner.witness = None

    def _pipelines_of(self, name: str) -> list[str]:
        return [
            pipeline
            for pipeline, running in self._board.pipelines.items()
            if running.supervised.runner.session.bundle.manifest.name == name
        ]

    def _say(
        self,
        name: str,
        phase: DeployPhase,
        *,
        version: str | None = None,
        share: float | None = None,
        reason: str = "",
    ) -> None:
        asked = self._asked.get(name)
        status = DeployStatus(
            boot=self._boot,
            phase=phase,
            running=self._running.get(name),
            version=version or (asked.version if asked is not None else None),
            share=share,
            reason=" ".join(reason.split())[:1000],
            rollout=None if asked is None else asked.rollout,
        )
        _log.info("updates: %s: %s%s", name, phase, f": {status.reason}" if reason else "")
        self._tell(name, status)


def _version(release: Release | None) -> str | None:
    return None if release is None else release.version


def _sparsely(tell: Callable[[Step], None]) -> Callable[[Step], None]:
    """Passes on each new phase, and each tenth of a download."""
    last: list[object] = []

    def told(step: Step) -> None:
        tenth = 10 * step.done_bytes // step.total_bytes if step.total_bytes else 0
        if last != [step.phase, tenth]:
            last[:] = [step.phase, tenth]
            tell(step)

    return told
