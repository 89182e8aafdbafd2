"""The pipelines, fusions and rules that are in force, and how they follow changed settings."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from edgekit.bundle import open_bundle
from edgekit.config.schema import Settings
from edgekit.daemon.assembly.hub import make_hub
from edgekit.daemon.assembly.pipelines import Pipeline, Workshop
from edgekit.daemon.hub import Hub
from edgekit.daemon.rates import RateControl
from edgekit.daemon.reloading import ReloadPlan, plan_reload
from edgekit.daemon.supervision import Supervised
from edgekit.pipeline.parts import Inference, Sink
from edgekit.pipeline.rules.readings import readable_of
from edgekit.runtime.loading import Loaded
from edgekit.runtime.session import Session

_log = logging.getLogger(__name__)
_JOIN_S = 5.0


class _Conclusions(NamedTuple):
    hub: Hub
    resources: ExitStack


class Running:
    """Runs what the settings say, from `start` on.

    `reload` replaces all of it at once or, where anything of the new settings cannot be used,
    nothing. A pipeline that nothing changed for does not notice; one whose model alone changed
    loses no sample.
    """

    def __init__(
        self,
        settings: Settings,
        workshop: Workshop,
        *,
        witnesses: Sequence[Sink] = (),
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Loads and tests every bundle, and opens every sink.

        Args:
            settings: the daemon's.
            workshop: makes the pipelines.
            witnesses: who hears of every rule that fires.
            progress: is told what is about to be loaded; what it raises ends the loading.

        Raises:
            EdgekitError: something in the settings or a bundle cannot be used.
        """
        self._settings = settings
        self._workshop = workshop
        self._witnesses = witnesses
        self._progress = progress
        self._pipelines: dict[str, Pipeline] = {}
        with ExitStack() as undo:
            for name, table in settings.pipelines.items():
                pipeline = workshop.make(name, table, self._load(settings, name))
                undo.callback(pipeline.close, 0.0)
                self._pipelines[name] = pipeline
            self._conclusions = self._conclude(settings, self.sessions)
            undo.pop_all()

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self._settings

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """Those that run, by name; another mapping after each reload."""
        return self._pipelines

    @property
    def supervised(self) -> list[Supervised]:
        """Those that run, as their supervisors."""
        return [pipeline.supervised for pipeline in self._pipelines.values()]

    @property
    def rates(self) -> list[RateControl]:
        """How many samples a second each takes."""
        return [pipeline.rates for pipeline in self._pipelines.values()]

    @property
    def sessions(self) -> dict[str, Session]:
        """The model of each pipeline."""
        return {
            name: pipeline.supervised.runner.session for name, pipeline in self._pipelines.items()
        }

    def hear(self, inference: Inference) -> None:
        """Brings a prediction before fusion and rules."""
        self._conclusions.hub.hear(inference)

    def tick(self) -> float | None:
        """Lets durations run out; gives the seconds until the next one does, if one will."""
        hub = self._conclusions.hub
        hub.tick()
        return hub.wait_s()

    def start(self) -> None:
        """Starts every pipeline."""
        for supervised in self.supervised:
            supervised.start()

    def stop(self, timeout_s: float) -> None:
        """Stops every pipeline, and closes every sink."""
        for supervised in self.supervised:
            supervised.stop()
        deadline = time.monotonic() + timeout_s
        for pipeline in self._pipelines.values():
            pipeline.close(deadline - time.monotonic())
        self._conclusions.resources.close()

    def reload(self, settings: Settings) -> str:
        """Follows settings; gives one line of what it did. For one thread at a time.

        Raises:
            EdgekitError: something cannot be used; then nothing has changed.
        """
        plan = plan_reload(
            self._settings,
            settings,
            running={name: session.bundle.digest for name, session in self.sessions.items()},
            on_disk={
                name: open_bundle(table.bundle).digest for name, table in settings.pipelines.items()
            },
        )
        loaded = {
            name: self._load(settings, name) for name in (*plan.start, *plan.replace, *plan.swap)
        }
        plan = self._with_misfits_replaced(plan, loaded)
        sessions = {
            name: loaded[name].session if name in loaded else self.sessions[name]
            for name in settings.pipelines
        }
        with ExitStack() as undo:
            made = {}
            for name in (*plan.start, *plan.replace):
                made[name] = self._workshop.make(name, settings.pipelines[name], loaded[name])
                undo.callback(made[name].close, 0.0)
            conclusions = self._conclude(settings, sessions)
            undo.pop_all()
        self._follow(plan, settings, loaded, made)
        before, self._conclusions = self._conclusions, conclusions
        before.resources.close()
        self._settings = settings
        return _told(plan)

    def _follow(
        self,
        plan: ReloadPlan,
        settings: Settings,
        loaded: Mapping[str, Loaded],
        made: Mapping[str, Pipeline],
    ) -> None:
        pipelines = {name: self._pipelines[name] for name in (*plan.keep, *plan.swap)}
        for name in plan.swap:
            pipelines[name].supervised.runner.swap(loaded[name].session)
        for name in (*plan.stop, *plan.replace):  # first, since a camera is for one alone
            before = self._pipelines[name]
            before.close(_JOIN_S)
            if before.camera is not None:  # the next camera of that name counts from 0
                before.supervised.runner.counts.skipped += before.camera.skipped
        for name, pipeline in made.items():
            pipelines[name] = pipeline
            pipeline.supervised.start()
        self._pipelines = {name: pipelines[name] for name in settings.pipelines}

    def _with_misfits_replaced(self, plan: ReloadPlan, loaded: Mapping[str, Loaded]) -> ReloadPlan:
        """A model that takes other samples than the one before needs another pipeline."""
        misfits = {
            name
            for name in plan.swap
            if _takes(loaded[name].session) != _takes(self.sessions[name])
        }
        return plan.with_replaced(misfits)

    def _load(self, settings: Settings, name: str) -> Loaded:
        table = settings.pipelines[name]
        self._progress(f"loading {table.bundle.name} for {name}")
        loaded = self._workshop.load(table, of=len(settings.pipelines))
        if loaded.choice is not None:
            _log.info("pipeline %s: %s", name, loaded.choice.line())
        return loaded

    def _conclude(self, settings: Settings, sessions: Mapping[str, Session]) -> _Conclusions:
        readables = {
            name: readable_of(session.bundle.manifest, session.bundle.labels())
            for name, session in sessions.items()
        }
        readables |= {name: table.readable for name, table in settings.mcu.items()}
        with ExitStack() as resources:
            hub = make_hub(
                settings, readables, self._workshop, resources, witnesses=self._witnesses
            )
            return _Conclusions(hub, resources.pop_all())


def _takes(session: Session) -> tuple[object, ...]:
    spec = session.bundle.manifest.input
    return spec.picture, spec.window


def _told(plan: ReloadPlan) -> str:
    parts = [
        f"{word} {', '.join(names)}"
        for word, names in (
            ("swapped the model of", plan.swap),
            ("started", plan.start),
            ("made anew", plan.replace),
            ("stopped", plan.stop),
        )
        if names
    ]
    if plan.needs_restart:
        tables = ", ".join(f"[{name}]" for name in plan.needs_restart)
        parts.append(f"{tables} changed, which takes effect at the next start")
    return "; ".join(parts) or "nothing had changed"
