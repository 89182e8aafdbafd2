"""Builds pipelines from their settings."""

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.bridge.ports import Ports
from edgekit.config.schema import PipelineSettings
from edgekit.config.sinks import JsonlSink as JsonlSettings
from edgekit.config.sinks import Sink as SinkSettings
from edgekit.config.sources import comes_back, policy_of
from edgekit.daemon.assembly.sources import make_source
from edgekit.daemon.assembly.stages import Knobs, make_stages
from edgekit.daemon.numbering import Numbering
from edgekit.daemon.rates import Paced, RateControl
from edgekit.daemon.supervision import Supervised
from edgekit.messaging.link import MqttLink
from edgekit.messaging.topics import Topics
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Inference, Sink
from edgekit.pipeline.runner import PipelineRunner
from edgekit.pipeline.sinks.jsonl import JsonlSink
from edgekit.pipeline.sinks.mqtt import MqttSink
from edgekit.runtime.loading import Loaded, load_session


@dataclass(frozen=True)
class Pipeline:
    """A pipeline that is supervised, and all that can be done to it while it runs.

    Attributes:
        settings: what it was made from.
        supervised: runs it.
        rates: how many samples a second it takes.
        knobs: what of its stages can be turned.
        resources: its open sinks.
    """

    settings: PipelineSettings
    supervised: Supervised
    rates: RateControl
    knobs: Knobs
    resources: ExitStack

    @property
    def name(self) -> str:
        """The pipeline's name."""
        return self.supervised.name

    @property
    def camera(self) -> CaptureSource | None:
        """Its source, where that gives pictures."""
        source = self.supervised.runner.source
        return source if isinstance(source, CaptureSource) else None

    def close(self, timeout_s: float) -> None:
        """Stops it and closes its sinks; its model's memory is given back once it has ended."""
        self.supervised.stop()
        if self.supervised.join(timeout_s):
            self.supervised.runner.session.close()
        self.resources.close()


@dataclass(frozen=True)
class Workshop:
    """What all pipelines of a board share, and how they are made of it.

    Attributes:
        boot: the id of this run of the daemon.
        topics: where this board speaks.
        link: to the broker, where there is one.
        state: the state directory, where there is one.
        listener: hears every prediction.
        changed: is called when a pipeline changes its state.
        logs: takes every event besides a pipeline's own sinks.
        numbering: goes on through reloads.
        ports: of the board's microcontrollers.
    """

    boot: str
    topics: Topics
    link: MqttLink | None
    state: Path | None
    listener: Callable[[Inference], None]
    changed: Callable[[], None]
    logs: Sequence[Sink] = ()
    numbering: Numbering = field(default_factory=Numbering)
    ports: Ports = field(default_factory=Ports)

    def load(self, settings: PipelineSettings, *, of: int) -> Loaded:
        """Opens a pipeline's bundle, which has then passed its golden self-test.

        Args:
            settings: the pipeline's.
            of: how many pipelines share the board.

        Raises:
            EdgekitError: the bundle must not be trusted, or cannot be run here.
        """
        return load_session(
            settings.bundle,
            engine=settings.engine,
            threads=settings.threads or threads_each(of),
            providers=settings.providers,
            arena=settings.arena,
            state_dir=self.state,
            **({} if settings.variant is None else {"variant": settings.variant}),
        )

    def make(self, name: str, settings: PipelineSettings, loaded: Loaded) -> Pipeline:
        """A pipeline with its sinks open, not started yet.

        Raises:
            ConfigError: the source does not give what the bundle takes.
            Unavailable: a sink cannot be opened.
        """
        manifest = loaded.session.bundle.manifest
        source = make_source(name, settings.source, manifest, self.link, self.ports)
        stages, knobs = make_stages(settings.stages, manifest.input)
        with ExitStack() as opened:
            runner = PipelineRunner(
                name,
                source=source,
                session=loaded.session,
                sinks=self.open_sinks(settings.sinks, opened),
                boot=self.boot,
                stages=stages,
                policy=policy_of(settings.source),
                listener=self.listener,
                counts=self.numbering.counts(name),
            )
            again = comes_back(settings.source)
            supervised = Supervised(runner, again=again, changed=self.changed)
            paced: Paced = source if isinstance(source, CaptureSource) else knobs.rate
            rates = RateControl(
                paced,
                configured_hz=_configured_hz(settings, knobs, paced),
                taken=lambda: runner.counts.predictions,
            )
            return Pipeline(settings, supervised, rates, knobs, opened.pop_all())

    def open_sinks(self, settings: Sequence[SinkSettings], resources: ExitStack) -> list[Sink]:
        """The sinks, open until the resources are closed, and the logs beside them.

        Raises:
            Unavailable: a sink cannot be opened.
        """
        own = [resources.enter_context(self._sink(sink)) for sink in settings]
        return [*own, *self.logs]

    def _sink(self, settings: SinkSettings) -> Sink:
        if isinstance(settings, JsonlSettings):
            return JsonlSink(settings.path)
        assert self.link is not None, "the settings' schema refuses an mqtt sink without a broker"
        return MqttSink(self.link, self.topics, qos=settings.qos)


def threads_each(pipelines: int) -> int:
    """How many threads each of several pipelines may use so that they share the CPU."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)) // max(1, pipelines))
    return max(1, (os.cpu_count() or 1) // max(1, pipelines))


def _configured_hz(settings: PipelineSettings, knobs: Knobs, paced: Paced) -> float | None:
    """The cap that the settings put on what is paced: a camera's own, or the rate stage's."""
    if paced is knobs.rate:
        return knobs.rate.hz
    max_hz: float | None = getattr(settings.source, "max_hz", None)
    return max_hz
