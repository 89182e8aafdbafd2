"""Reads what the daemon is doing, as the `metrics` message says it."""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from edgekit.bridge.port import Port
from edgekit.daemon.clock import ClockKeeper
from edgekit.daemon.cooling import Cooling
from edgekit.daemon.mcu_metrics import bridge_metrics
from edgekit.daemon.supervision import Supervised
from edgekit.daemon.usage import UsageMeter
from edgekit.messaging.link import LinkCounts, MqttLink
from edgekit.messaging.outbox import Outbox
from edgekit.messaging.outbox_counts import OutboxCounts
from edgekit.messaging.payloads import (
    BoardMetrics,
    FederatedMetrics,
    Metrics,
    MqttMetrics,
    OutboxMetrics,
    Percentiles,
    PipelineMetrics,
)
from edgekit.pipeline.capture.source import CaptureSource

_NO_LINK = LinkCounts(sent=0, acknowledged=0, dropped=0, waiting=0)


class MetricsReader:
    """Puts the `metrics` message together from those who know."""

    def __init__(
        self,
        *,
        boot: str,
        pipelines: Callable[[], Iterable[Supervised]],
        link: MqttLink | None,
        outbox: Outbox | None,
        clock: ClockKeeper,
        cooling: Cooling,
        state: Path | None,
        federated: Callable[[], Mapping[str, FederatedMetrics]] = dict,
        ports: Callable[[], Mapping[str, Port]] = dict,
    ) -> None:
        """Remembers whom to ask.

        Args:
            boot: the id of this run.
            pipelines: gives those that run.
            link: to the broker, where there is one.
            outbox: keeps messages for it, where there is one.
            clock: knows what the clock is worth.
            cooling: knows how hot the board is.
            state: the state directory, where there is one.
            federated: tells where each federated job stands.
            ports: gives those of microcontrollers, by their names.
        """
        self._ports = ports
        self._federated = federated
        self._boot = boot
        self._pipelines = pipelines
        self._link = link
        self._outbox = outbox
        self._clock = clock
        self._cooling = cooling
        self._state = state
        self._usage = UsageMeter()
        self._started_s = time.monotonic()

    def read(self) -> Metrics:
        """The message as of now."""
        counts = self._link.counts if self._link is not None else _NO_LINK
        usage = self._usage.read()
        return Metrics(
            boot=self._boot,
            uptime_s=round(time.monotonic() - self._started_s, 1),
            pipelines={pipeline.name: pipeline_metrics(pipeline) for pipeline in self._pipelines()},
            mqtt=MqttMetrics(
                sent=counts.sent, acknowledged=counts.acknowledged, dropped=counts.dropped
            ),
            outbox=None if self._outbox is None else _outbox_metrics(self._outbox.counts),
            board=BoardMetrics(
                temperature_c=self._cooling.temperature_c,
                throttled=self._cooling.words,
                rate_factor=self._cooling.factor,
                disk_free_mb=_free_mb(self._state),
                clock=self._clock.state,
                cpu_percent=usage.cpu_percent,
                memory_mb=usage.memory_mb,
            ),
            federated=dict(self._federated()) or None,
            bridges={name: bridge_metrics(port) for name, port in self._ports().items()} or None,
        )


def skipped(pipeline: Supervised) -> int:
    """Samples that newer ones replaced, in the capture process and before the work."""
    source = pipeline.runner.source
    in_capture = source.skipped if isinstance(source, CaptureSource) else 0
    return pipeline.runner.counts.skipped + in_capture


def pipeline_metrics(pipeline: Supervised) -> PipelineMetrics:
    """One pipeline's part of the message."""
    runner, counts = pipeline.runner, pipeline.runner.counts
    return PipelineMetrics(
        taken=counts.taken,
        skipped=skipped(pipeline),
        refused=counts.refused,
        predictions=counts.predictions,
        queue=runner.waiting,
        state=pipeline.state,
        restarts=pipeline.restarts,
        lost=counts.lost,
        ms=_percentiles(runner.latencies_ms()),
        age=_percentiles(runner.ages_ms()),
    )


def _outbox_metrics(counts: OutboxCounts) -> OutboxMetrics:
    return OutboxMetrics(
        waiting=counts.waiting,
        bytes=counts.waiting_bytes,
        stored=counts.stored,
        dropped=sum(counts.dropped.values()),
        expired=counts.expired,
        backfilled=counts.backfilled,
    )


def _percentiles(values: list[float]) -> Percentiles | None:
    if not values:
        return None
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).round(3).tolist()
    return Percentiles(p50=p50, p95=p95, p99=p99)


def _free_mb(folder: Path | None) -> float | None:
    if folder is None:
        return None
    try:
        stat = os.statvfs(folder)
    except OSError:
        return None
    return round(stat.f_bavail * stat.f_frsize / 1e6, 1)
