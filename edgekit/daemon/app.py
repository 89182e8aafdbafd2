"""edgekitd as three steps: start up, run, shut down."""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from edgekit.config.loading import check_surroundings, load_settings
from edgekit.config.schema import Settings
from edgekit.daemon.assembly.broker import make_link
from edgekit.daemon.assembly.mcu import make_mcu
from edgekit.daemon.assembly.pipelines import Pipeline, Workshop
from edgekit.daemon.chores import Chores
from edgekit.daemon.clock import ClockKeeper
from edgekit.daemon.code_trial import CodeTrial, code_on_trial
from edgekit.daemon.cooling import Cooling
from edgekit.daemon.deployments import open_deployments
from edgekit.daemon.learning import Learning
from edgekit.daemon.mcu import Mcus
from edgekit.daemon.metrics import MetricsReader
from edgekit.daemon.notify import Notifier, SilentNotifier
from edgekit.daemon.progress import one_line, stuck_work
from edgekit.daemon.records import Records
from edgekit.daemon.remote import Remote
from edgekit.daemon.running import Running
from edgekit.daemon.standing import status_of
from edgekit.daemon.state import held_alone, state_folder
from edgekit.daemon.summing_up import sum_up
from edgekit.daemon.surroundings import Surroundings
from edgekit.daemon.wake import Wake
from edgekit.errors import EdgekitError, Stuck
from edgekit.messaging.link import MqttLink
from edgekit.messaging.outbox import Outbox
from edgekit.messaging.payloads import encode
from edgekit.messaging.topics import Topics
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Inference
from edgekit.runtime.session import Session

_log = logging.getLogger(__name__)
_DRAIN_S = 5.0
_LOAD_S = 300.0
_CLOSE_S = 0.5
_JOIN_S = 1.2
_COOL_EVERY_S = 5.0
_CLOCK_EVERY_S = 10.0
_TIDY_EVERY_S = 3600.0
_HINTS_EVERY_S = 2.0
_CODE_EVERY_S = 5.0


class ToldToStop(EdgekitError):
    """`stop` was called while models were being loaded."""


class App:
    """The daemon. `startup`, then `run`, then `shutdown`.

    `stop` ends `run` from anywhere; `reload` makes it read its settings again.

    Attributes:
        wake: wakes `run`.
    """

    def __init__(self, config: Path, *, notify: Notifier | None = None) -> None:
        """Nothing is read yet.

        Args:
            config: the settings' file.
            notify: who is told how the daemon fares.
        """
        self._config = config
        self._notify = notify or SilentNotifier()
        self._boot = uuid.uuid4().hex[:12]
        self._resources = ExitStack()
        self._surroundings = Surroundings()
        self._chores = Chores()
        self.wake = Wake()
        self._resources.callback(self.wake.close)
        self._reloading = threading.Lock()
        self._is_stopping = False
        self._must_reload = False
        self._link: MqttLink | None = None
        self._outbox: Outbox | None = None
        self._running: Running | None = None
        self._listeners: list[Callable[[Inference], None]] = []

    def startup(self) -> None:
        """Loads every bundle, tests each against its golden vectors, and starts to connect.

        Raises:
            ToldToStop: `stop` was called meanwhile.
            EdgekitError: something in the settings or a bundle cannot be used.
        """
        settings = load_settings(self._config)
        state = state_folder(settings.state)
        if state is not None:
            self._resources.enter_context(held_alone(state))
        elif settings.pictures.folder is None and settings.pictures.keep != "none":
            _log.warning("pictures.keep does nothing: there is no state directory to keep them in")
        self._clock = ClockKeeper(None if state is None else state / "clock")
        self._cooling = Cooling(settings.thermal)
        self._topics = Topics(settings.device.fleet, settings.device.name)
        self._link, self._outbox = make_link(
            settings, state, self._resources, topics=self._topics, boot=self._boot
        )
        records = self._resources.enter_context(Records(settings, state, self._camera))
        workshop = Workshop(
            boot=self._boot,
            topics=self._topics,
            link=self._link,
            state=state,
            listener=self._hear,
            changed=self.wake.set,
            logs=records.logs,
        )
        self._workshop = workshop
        self._settings = settings
        self._deployments = open_deployments(
            settings,
            state,
            self,
            source=str(self._config),
            boot=self._boot,
            topics=self._topics,
            link=self._link,
        )
        self._learning = Learning(
            settings,
            state,
            self._resources,
            source=str(self._config),
            link=self._link,
            topics=self._topics,
            boot=self._boot,
            pipelines=lambda: self._running.pipelines if self._running else {},
            cooling=self._cooling,
        )
        self._running = Running(
            self._resolved(settings),
            workshop,
            witnesses=[*records.witnesses, *self._learning.witnesses],
            progress=self._loading,
        )
        mcus = Mcus(workshop.ports)
        self._metrics = MetricsReader(
            boot=self._boot,
            pipelines=lambda: self._running.supervised if self._running else [],
            link=self._link,
            outbox=self._outbox,
            clock=self._clock,
            cooling=self._cooling,
            state=state,
            federated=self._learning.metrics,
            ports=lambda: workshop.ports.all,
        )
        self._remote = Remote(
            lambda: self._running.pipelines if self._running else {},
            pictures=settings.pictures,
            records=records,
            reload=self._reload,
            set_metrics_interval=self._set_metrics_interval,
            label=self._learning.label,
            mcu=mcus.command,
        )
        self._listeners = [self._running.hear, *records.listeners]
        self._plan_chores(settings, records)
        self._plan_code_trial(state)
        self._learning.open(settings)
        if self._deployments is not None:
            self._resources.enter_context(self._deployments)
            self._chores.add("hints", _HINTS_EVERY_S, self._deployments.look)
        self._surroundings.open(
            settings,
            workshop,
            self._running.sessions,
            self._remote,
            self._metrics.read,
            self._resources,
        )
        self._listeners += self._surroundings.on_inference
        for name, table in settings.mcu.items():
            mcu = make_mcu(name, table, workshop, self._resources)
            mcus.add(self._resources.enter_context(mcu))
        self._tell_status()
        if self._link is not None:
            self._resources.enter_context(self._link)

    def run(self) -> None:
        """Runs the pipelines until every source has ended, or `stop`.

        Raises:
            Stuck: a driver cannot be killed.
        """
        running = self._in_force
        running.start()
        _log.info("running: %s", ", ".join([*running.pipelines, *self._settings.mcu]))
        self._notify.ready(one_line(running.supervised))
        while not self._is_stopping and not self._is_over():
            wait_s = self._chores.do_due()
            conclusion_s = self._in_force.tick()
            self.wake.wait(wait_s if conclusion_s is None else min(wait_s, conclusion_s))
            if self._must_reload:
                self._must_reload = False
                self._follow_signal()
        if not self._is_stopping:
            self._drain()

    def stop(self) -> None:
        """Ends `run` soon. May be called from a signal handler."""
        self._is_stopping = True
        self.wake.set()

    def reload(self) -> None:
        """Follows changed settings soon. May be called from a signal handler."""
        self._must_reload = True
        self.wake.set()

    def shutdown(self) -> int:
        """Stops what still runs, says goodbye to the broker, and sums up.

        Returns:
            The exit code: 0 when nothing was refused, dropped or broken, or when the daemon was
            told to stop; else 1.
        """
        self._notify.stopping()
        if self._running is not None:
            self._running.stop(_JOIN_S)
            self._publish_metrics()
        if self._link is not None:
            self._link.close("stopped" if self._is_stopping else "finished", timeout_s=_CLOSE_S)
        self._resources.close()
        supervised = self._running.supervised if self._running is not None else ()
        losses = sum_up(supervised, self._link)
        return 1 if losses and not self._is_stopping else 0

    @property
    def _in_force(self) -> Running:
        assert self._running is not None, "startup has not been"
        return self._running

    def _plan_chores(self, settings: Settings, records: Records) -> None:
        chores = self._chores
        chores.add("metrics", settings.metrics_interval_s, self._publish_metrics)
        chores.add("cooling", _COOL_EVERY_S, lambda: self._cooling.look(self._in_force.rates))
        chores.add("clock", _CLOCK_EVERY_S, self._clock.tick)
        chores.add("pictures", _TIDY_EVERY_S, records.tidy)
        self._stuck_s = settings.stuck_s
        if (interval_s := self._notify.watchdog_interval_s) is not None:
            chores.add("watchdog", interval_s / 3, self._feed_watchdog)
        self._clock.tick()

    def _plan_code_trial(self, state: Path | None) -> None:
        trial = code_on_trial()
        if trial is not None and state is not None:
            code = CodeTrial(trial, state)
            self._chores.add("code", _CODE_EVERY_S, lambda: code.look(self._stuck()))

    def _stuck(self) -> str | None:
        return stuck_work(self._in_force.supervised, longest_s=self._stuck_s)

    def _hear(self, inference: Inference) -> None:
        for listener in self._listeners:
            listener(inference)

    def _camera(self, name: str) -> CaptureSource | None:
        pipeline = self._in_force.pipelines.get(name)
        return None if pipeline is None else pipeline.camera

    def _is_over(self) -> bool:
        """Whether every source has ended.

        Raises:
            Stuck: a driver cannot be killed.
        """
        if not self._reloading.acquire(blocking=False):
            return False  # what has ended is about to be replaced
        try:
            supervised = self._in_force.supervised
            for pipeline in supervised:
                if isinstance(failure := pipeline.runner.failure, Stuck):
                    raise failure
            return not self._settings.mcu and all(pipeline.is_over for pipeline in supervised)
        finally:
            self._reloading.release()

    def _follow_signal(self) -> None:
        self._notify.reloading()
        try:
            self._reload()
        except EdgekitError as error:
            for line in str(error).splitlines():
                _log.error("not reloaded: %s", line)
        self._notify.ready(one_line(self._in_force.supervised))

    def _reload(self) -> str:
        """Follows the settings' file; from the main thread, or a command's."""
        with self._changing():
            settings = load_settings(self._config)
            check_surroundings(settings, source=str(self._config))
            told = self._in_force.reload(self._resolved(settings))
            self._settings = settings
            self._learning.follow(self._settings)
            self._stuck_s = settings.stuck_s
            self._cooling.follow(settings.thermal)
            self._remote.apply_again()
            self._tell_status()
        _log.info("reloaded: %s", told)
        return told

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change of what runs at a time; then `run` looks again whether all is over."""
        try:
            with self._reloading:
                yield
        finally:
            self.wake.set()

    def _loading(self, line: str) -> None:
        """Is told before each model: loading may take long, and is not to outlast a wish to stop.

        Raises:
            ToldToStop: there is such a wish.
        """
        if self._is_stopping:
            raise ToldToStop("told to stop")
        self._notify.status(line)
        self._notify.extend_timeout(_LOAD_S)
        self._notify.watchdog()

    def _resolved(self, settings: Settings) -> Settings:
        """The settings with the bundles that updates have put in place of theirs."""
        if self._deployments is None:
            return settings
        return self._deployments.updating.resolve(settings)

    @property
    def pipelines(self) -> Mapping[str, Pipeline]:
        """Those that run, by name."""
        return self._in_force.pipelines

    def load(self, pipeline: str, bundle: Path) -> Session:
        """Loads a bundle as a pipeline's settings say, and holds it to its golden vectors."""
        tables = self._in_force.settings.pipelines
        table = msgspec.structs.replace(tables[pipeline], bundle=bundle)
        return self._workshop.load(table, of=len(tables)).session

    def take_over(self) -> None:
        """Has pipelines follow the bundles that are current now, without losing a sample."""
        with self._changing():
            told = self._in_force.reload(self._resolved(self._settings))
            self._learning.follow(self._settings)
            self._remote.apply_again()
            self._tell_status()
        _log.info("updated: %s", told)

    def temperature_c(self) -> float | None:
        """How hot the board was at the last look."""
        return self._cooling.temperature_c

    def _tell_status(self) -> None:
        running = self._in_force
        if self._link is not None:
            labels = running.settings.device.labels
            self._link.tell_status(status_of(self._boot, running.sessions, labels=labels))

    def _set_metrics_interval(self, seconds: float | None) -> None:
        self._chores.set_interval("metrics", seconds or self._in_force.settings.metrics_interval_s)
        self.wake.set()

    def _feed_watchdog(self) -> None:
        """Tells systemd that work moves; where it does not, systemd restarts the daemon."""
        supervised = self._in_force.supervised
        stuck = self._stuck()
        if stuck is not None:
            _log.critical("%s: not feeding the watchdog", stuck)
            self._notify.status(stuck)
            return
        self._notify.watchdog()
        self._notify.status(one_line(supervised))

    def _drain(self) -> None:
        """Gives the broker a while to confirm what it has not."""
        deadline = time.monotonic() + _DRAIN_S
        while self._link is not None and not self._is_stopping and time.monotonic() < deadline:
            if self._link.wait_until_acknowledged(0.1):
                return

    def _publish_metrics(self) -> None:
        message = self._metrics.read()
        for take in self._surroundings.on_metrics:
            take(message)
        if self._link is not None and self._link.connected:  # later they are of no use
            self._link.publish(self._topics.metrics, encode(message), qos=0)
