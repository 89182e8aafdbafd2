"""Serves the board's metrics to Prometheus, from the same struct that MQTT gets."""

import logging
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, get_args

from edgekit.errors import ConfigError, Unavailable
from edgekit.messaging.payloads import (
    BridgeMetrics,
    BridgeState,
    ClockState,
    Metrics,
    Percentiles,
    PipelineMetrics,
    PipelineState,
)

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_log = logging.getLogger(__name__)
_STATES = get_args(PipelineState)
_CLOCKS = get_args(ClockState)
_BRIDGE_STATES = get_args(BridgeState)
_CLOSE_S = 1.0


class MetricsExporter:
    """Inside its `with` block `http://host:port/metrics` answers with the metrics as they are.

    Names follow Prometheus' conventions (https://prometheus.io/docs/practices/naming/): a prefix,
    base units (seconds, bytes, ratios), `_total` on counters; the pipeline is a label. Latencies
    are gauges with a `quantile` label: they are of the last thousand or so, so no summary.
    """

    def __init__(
        self, metrics: Callable[[], Metrics], *, host: str = "127.0.0.1", port: int = 9464
    ) -> None:
        """Prepares; the `with` block opens the port.

        Args:
            metrics: makes the current message; called from the server's threads.
            host: the address to listen at; whoever reaches it may read.
            port: 0 takes a free one; `port` says which.

        Raises:
            ConfigError: prometheus-client is not installed.
        """
        try:
            import prometheus_client
        except ModuleNotFoundError as error:
            text = "needs prometheus-client: pip install 'edgekit[metrics]', or leave it out"
            raise ConfigError("prometheus", [text]) from error
        self.port = port
        self._host = host
        self._metrics = metrics
        self._registry = prometheus_client.CollectorRegistry()
        self._registry.register(_Collector(metrics))
        self._server: Any = None
        self._thread: Any = None

    def __enter__(self) -> Self:
        """Opens the port.

        Raises:
            Unavailable: the port is taken, or there is no such address here.
        """
        from prometheus_client import start_http_server

        try:
            self._server, self._thread = start_http_server(
                self.port, self._host, registry=self._registry
            )
        except OSError as error:
            raise Unavailable(
                f"prometheus: cannot listen at {self._host}:{self.port}: {error.strerror}; "
                "choose another host or port, or stop what uses it"
            ) from error
        self.port = self._server.server_port
        _log.info("metrics at http://%s:%d/metrics", self._host, self.port)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_CLOSE_S)


class _Collector:
    """Asks for the metrics at each scrape; holds none itself."""

    def __init__(self, metrics: Callable[[], Metrics]) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable["Metric"]:
        """Nothing: names must not be asked for before there are metrics."""
        return ()

    def collect(self) -> Iterator["Metric"]:
        return families(self._metrics())


def families(metrics: Metrics) -> Iterator["Metric"]:
    """The message as Prometheus' metric families; what the board does not know is left out."""
    yield _gauge("edgekit_uptime_seconds", "Since the daemon started.", metrics.uptime_s)
    info = _family("gauge", "edgekit_boot_info", "Which start of the daemon this is.", ["boot"])
    info.add_metric([metrics.boot], 1)
    yield info
    yield from _of_pipelines(metrics.pipelines)
    for name, help_ in (
        ("sent", "Messages handed to the network."),
        ("acknowledged", "Messages that the broker confirmed."),
        ("dropped", "Messages that never reached the broker."),
    ):
        yield _counter(f"edgekit_mqtt_{name}", help_, getattr(metrics.mqtt, name))
    yield from _of_outbox(metrics)
    yield from _of_board(metrics)
    yield from _of_bridges(metrics.bridges or {})


def _of_pipelines(pipelines: dict[str, PipelineMetrics]) -> Iterator["Metric"]:
    label = ["pipeline"]
    for kind, field, name, help_ in (
        ("counter", "taken", "samples_taken", "Samples that the source gave."),
        ("counter", "skipped", "samples_skipped", "Samples that newer ones replaced."),
        ("counter", "refused", "samples_refused", "Samples that could not be used."),
        ("counter", "predictions", "predictions", "Predictions made."),
        ("counter", "lost", "events_lost", "Events that a sink could not take."),
        ("counter", "restarts", "restarts", "Restarts after a failure."),
        ("gauge", "queue", "queue_samples", "Samples that wait now."),
    ):
        family = _family(kind, f"edgekit_pipeline_{name}", help_, label)
        for pipeline, one in pipelines.items():
            family.add_metric([pipeline], getattr(one, field))
        yield family
    states = _family(
        "gauge", "edgekit_pipeline_state", "1 for the state it is in.", ["pipeline", "state"]
    )
    for pipeline, one in pipelines.items():
        for state in _STATES if one.state is not None else ():
            states.add_metric([pipeline, state], float(one.state == state))
    yield states
    for field, name, help_ in (
        ("ms", "latency", "From capture until the prediction was ready, of the last thousand."),
        ("age", "sample_age", "From capture until work on the sample began, of the last thousand."),
    ):
        family = _family(
            "gauge", f"edgekit_pipeline_{name}_seconds", help_, ["pipeline", "quantile"]
        )
        for pipeline, one in pipelines.items():
            percentiles: Percentiles | None = getattr(one, field)
            if percentiles is not None:
                for quantile, value in (
                    ("0.5", percentiles.p50),
                    ("0.95", percentiles.p95),
                    ("0.99", percentiles.p99),
                ):
                    family.add_metric([pipeline, quantile], value / 1000)
        yield family


def _of_outbox(metrics: Metrics) -> Iterator["Metric"]:
    outbox = metrics.outbox
    if outbox is None:
        return
    yield _gauge("edgekit_outbox_messages", "Messages that wait on disk.", outbox.waiting)
    yield _gauge("edgekit_outbox_bytes", "What they take.", outbox.bytes)
    for name, help_ in (
        ("stored", "Messages put on disk."),
        ("dropped", "Messages dropped for want of room."),
        ("expired", "Messages too old to send."),
        ("backfilled", "Messages sent later than they were made."),
    ):
        yield _counter(f"edgekit_outbox_{name}", help_, getattr(outbox, name))


def _of_board(metrics: Metrics) -> Iterator["Metric"]:
    board = metrics.board
    if board is None:
        return
    for name, help_, value, scale in (
        ("temperature_celsius", "Of the processor.", board.temperature_c, 1.0),
        ("rate_ratio", "What share of their rates pipelines may use.", board.rate_factor, 1.0),
        ("disk_free_bytes", "Where the state directory is.", board.disk_free_mb, 1e6),
        ("cpu_ratio", "Share of one core in use by us.", board.cpu_percent, 0.01),
        ("memory_bytes", "Held by us.", board.memory_mb, 1e6),
    ):
        if value is not None:
            yield _gauge(f"edgekit_board_{name}", help_, value * scale)
    throttled = _family(
        "gauge", "edgekit_board_throttled", "1 for what holds the board back.", ["reason"]
    )
    for reason in dict.fromkeys(board.throttled):
        throttled.add_metric([reason], 1)
    yield throttled
    if board.clock is not None:
        clock = _family("gauge", "edgekit_board_clock", "1 for the state it is in.", ["state"])
        for state in _CLOCKS:
            clock.add_metric([state], float(board.clock == state))
        yield clock


def _of_bridges(bridges: dict[str, BridgeMetrics]) -> Iterator["Metric"]:
    label = ["mcu"]
    for kind, field, name, help_, scale in (
        ("counter", "frames", "frames", "Good frames received.", 1.0),
        ("counter", "bytes", "received_bytes", "Bytes received.", 1.0),
        ("counter", "crc", "checksum_errors", "Frames whose checksum was wrong.", 1.0),
        ("counter", "errors", "frame_errors", "Frames damaged in any way.", 1.0),
        ("counter", "resyncs", "resyncs", "Good frames after damaged ones.", 1.0),
        ("counter", "dropped", "frames_dropped", "Good frames of no use.", 1.0),
        ("counter", "lost", "frames_lost", "Frames that never came.", 1.0),
        ("counter", "retries", "retries", "Frames that had to be sent again.", 1.0),
        ("counter", "reopened", "reopened", "Times the port was opened again.", 1.0),
        ("counter", "samples", "samples", "Samples received.", 1.0),
        ("counter", "samples_dropped", "samples_dropped", "Samples the work had no room for.", 1.0),
        ("gauge", "beat_s", "heartbeat_age_seconds", "Since the last heartbeat.", 1.0),
        ("gauge", "offset_us", "clock_offset_seconds", "To add to its clock to get UTC.", 1e-6),
        ("gauge", "rtt_us", "round_trip_seconds", "The quickest of late.", 1e-6),
        ("gauge", "drift_ppm", "clock_drift_ratio", "How much faster our clock is.", 1e-6),
    ):
        family = _family(kind, f"edgekit_bridge_{name}", help_, label)
        for mcu, one in bridges.items():
            value: float | None = getattr(one, field)
            if value is not None:
                family.add_metric([mcu], value * scale)
        if bridges:
            yield family
    states = _family("gauge", "edgekit_bridge_state", "1 for the state it is in.", ["mcu", "state"])
    for mcu, one in bridges.items():
        for state in _BRIDGE_STATES:
            states.add_metric([mcu, state], float(one.state == state))
    if bridges:
        yield states


def _family(kind: str, name: str, help_: str, labels: list[str]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    families = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
    return families[kind](name, help_, labels=labels)


def _gauge(name: str, help_: str, value: float) -> Any:
    family = _family("gauge", name, help_, [])
    family.add_metric([], value)
    return family


def _counter(name: str, help_: str, value: float) -> Any:
    family = _family("counter", name, help_, [])
    family.add_metric([], value)
    return family
