"""edgekitd as three steps: start up, run, shut down."""

import logging
import threading
import time
import uuid
from contextlib import ExitStack

import numpy as np

from edgekit.config.schema import Settings
from edgekit.daemon.assembly import make_link, make_runner, threads_each
from edgekit.errors import EdgekitError
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import Metrics, MqttMetrics, Percentiles, PipelineMetrics, encode
from edgekit.messaging.topics import Topics
from edgekit.pipeline.runner import PipelineRunner

_log = logging.getLogger(__name__)
_DRAIN_S = 5.0
_CLOSE_S = 0.7
_JOIN_S = 1.2


class App:
    """The daemon. `startup`, then `run`, then `shutdown`; `stop` ends `run` from anywhere."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._boot = uuid.uuid4().hex[:12]
        self._started = time.monotonic()
        self._topics = Topics(settings.device.fleet, settings.device.name)
        self._link: MqttLink | None = None
        self._runners: list[PipelineRunner] = []
        self._threads: list[threading.Thread] = []
        self._resources = ExitStack()
        self._wake = threading.Event()
        self._is_stopping = False

    def startup(self) -> None:
        """Loads every bundle, tests each against its golden vectors, and starts to connect.

        Raises:
            EdgekitError: something in the settings or a bundle cannot be used.
        """
        self._link = make_link(self._settings, self._topics, boot=self._boot)
        pipelines = self._settings.pipelines
        for name, pipeline in pipelines.items():
            runner = make_runner(
                name,
                pipeline,
                link=self._link,
                topics=self._topics,
                boot=self._boot,
                threads=threads_each(len(pipelines)),
            )
            for sink in runner.sinks:
                self._resources.enter_context(sink)
            self._runners.append(runner)
        if self._link is not None:
            self._resources.enter_context(self._link)

    def run(self) -> None:
        """Runs the pipelines until every source has ended, or `stop`."""
        for runner in self._runners:
            thread = threading.Thread(
                target=self._run_one, args=[runner], name=runner.name, daemon=True
            )
            self._threads.append(thread)
            thread.start()
        _log.info("running: %s", ", ".join(runner.name for runner in self._runners))
        next_metrics = time.monotonic() + self._settings.metrics_interval_s
        while not self._is_stopping and any(thread.is_alive() for thread in self._threads):
            self._wake.wait(max(0.0, next_metrics - time.monotonic()))
            self._wake.clear()
            if time.monotonic() >= next_metrics:
                self._publish_metrics()
                next_metrics = time.monotonic() + self._settings.metrics_interval_s
        if not self._is_stopping:
            self._drain()

    def stop(self) -> None:
        """Ends `run` soon. May be called from a signal handler."""
        self._is_stopping = True
        self._wake.set()

    def shutdown(self) -> int:
        """Stops what still runs, says goodbye to the broker, and sums up.

        Returns:
            The exit code: 0 when nothing was refused, dropped or broken, or when the daemon was
            told to stop; else 1.
        """
        for runner in self._runners:
            runner.stop()
        deadline = time.monotonic() + _JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._publish_metrics()
        if self._link is not None:
            self._link.close("stopped" if self._is_stopping else "finished", timeout_s=_CLOSE_S)
        self._resources.close()
        losses = self._sum_up()
        return 1 if losses and not self._is_stopping else 0

    def _run_one(self, runner: PipelineRunner) -> None:
        try:
            runner.run()
        except EdgekitError as error:
            runner.failure = error
            _log.error("pipeline %s: %s", runner.name, error)
        except Exception as error:
            runner.failure = EdgekitError(f"a bug: {error!r}")
            _log.exception("pipeline %s: a bug", runner.name)
        finally:
            self._wake.set()

    def _drain(self) -> None:
        """Gives the broker a while to confirm what it has not."""
        deadline = time.monotonic() + _DRAIN_S
        while self._link is not None and not self._is_stopping and time.monotonic() < deadline:
            if self._link.wait_until_acknowledged(0.1):
                return

    def _publish_metrics(self) -> None:
        if self._link is None:
            return
        counts = self._link.counts
        message = Metrics(
            boot=self._boot,
            uptime_s=round(time.monotonic() - self._started, 1),
            pipelines={runner.name: _metrics(runner) for runner in self._runners},
            mqtt=MqttMetrics(
                sent=counts.sent, acknowledged=counts.acknowledged, dropped=counts.dropped
            ),
        )
        self._link.publish(self._topics.metrics, encode(message), qos=0)

    def _sum_up(self) -> bool:
        """Logs what each pipeline did; says whether anything was lost on the way."""
        losses = False
        for runner in self._runners:
            counts = runner.counts
            _log.info(
                "pipeline %s: %d samples, %d skipped, %d refused, %d predictions, %d lost",
                runner.name,
                counts.taken,
                runner.counts.skipped,
                counts.refused,
                counts.predictions,
                counts.lost,
            )
            losses |= bool(counts.refused or counts.lost or runner.failure)
        if self._link is not None:
            sent = self._link.counts
            _log.info("mqtt: %d sent, %d dropped", sent.sent, sent.dropped)
            losses |= bool(sent.dropped)
        return losses


def _metrics(runner: PipelineRunner) -> PipelineMetrics:
    latencies = runner.latencies_ms()
    percentiles = None
    if latencies:
        p50, p95, p99 = np.percentile(latencies, [50, 95, 99]).round(3).tolist()
        percentiles = Percentiles(p50=p50, p95=p95, p99=p99)
    return PipelineMetrics(
        taken=runner.counts.taken,
        skipped=runner.counts.skipped,
        refused=runner.counts.refused,
        predictions=runner.counts.predictions,
        queue=runner.waiting,
        ms=percentiles,
    )
