"""What Prometheus scrapes is what the metrics message says."""

import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import ConfigError, Unavailable
from edgekit.messaging.payloads import Metrics, MqttMetrics, decode_metrics
from tests.messaging.test_payloads import _examples

pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edgekit.daemon.prometheus import MetricsExporter, families

FULL = decode_metrics(next(text for kind, text in _examples() if kind == "metrics").encode())
BARE = Metrics(
    boot="b", uptime_s=1.5, pipelines={}, mqtt=MqttMetrics(sent=0, acknowledged=0, dropped=0)
)


def _samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _scrape(exporter: MetricsExporter) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{exporter.port}/metrics", timeout=20) as answer:
        text: str = answer.read().decode()
    return text


def test_a_scrape_is_what_the_message_says_at_that_moment() -> None:
    now = [BARE]
    with MetricsExporter(lambda: now[0], port=0) as exporter:
        assert _samples(_scrape(exporter))["edgekit_uptime_seconds", ()] == 1.5
        now[0] = FULL
        found = _samples(_scrape(exporter))
    assert found["edgekit_pipeline_samples_taken_total", ("door",)] == 2592000
    assert found["edgekit_pipeline_samples_skipped_total", ("door",)] == 518400
    assert found["edgekit_pipeline_samples_refused_total", ("door",)] == 3
    assert found["edgekit_pipeline_predictions_total", ("door",)] == 2073597
    assert found["edgekit_pipeline_events_lost_total", ("door",)] == 4
    assert found["edgekit_pipeline_restarts_total", ("door",)] == 2
    assert found["edgekit_pipeline_queue_samples", ("door",)] == 1
    assert found["edgekit_pipeline_state", ("door", "running")] == 1
    assert found["edgekit_pipeline_state", ("pump", "running")] == 0
    assert found["edgekit_pipeline_state", ("pump", "backing-off")] == 1
    assert found["edgekit_pipeline_latency_seconds", ("door", "0.95")] == 0.047
    assert found["edgekit_pipeline_sample_age_seconds", ("door", "0.5")] == pytest.approx(0.0021)
    assert ("edgekit_pipeline_latency_seconds", ("pump", "0.5")) not in found
    assert found["edgekit_mqtt_acknowledged_total", ()] == 2073590
    assert found["edgekit_outbox_messages", ()] == 12
    assert found["edgekit_outbox_backfilled_total", ()] == 340
    assert found["edgekit_board_temperature_celsius", ()] == 71.4
    assert found["edgekit_board_throttled", ("under-voltage",)] == 1
    assert found["edgekit_board_rate_ratio", ()] == 0.5
    assert found["edgekit_board_disk_free_bytes", ()] == pytest.approx(11870.2e6)
    assert found["edgekit_board_cpu_ratio", ()] == pytest.approx(0.63)
    assert found["edgekit_board_clock", ("behind",)] == 0
    assert found["edgekit_boot_info", ("5f3a9c1e7b20",)] == 1


def test_every_number_of_the_message_is_served() -> None:
    """Counts are numbered so that each can be found again."""
    number = iter(range(1000, 2000))

    def numbered(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: numbered(inner) for key, inner in value.items()}
        counts = isinstance(value, int) and not isinstance(value, bool)
        return next(number) if counts else value

    built = numbered(msgspec.to_builtins(FULL))
    metrics = msgspec.convert(built | {"v": 1}, Metrics)
    served = set(_samples(_text(metrics)).values())
    due = {
        value
        for part in (*built["pipelines"].values(), built["mqtt"], built["outbox"])
        for value in part.values()
        if isinstance(value, int)
    }
    assert len(due) > 15
    assert due <= served


def _text(metrics: Metrics) -> str:
    registry = CollectorRegistry()

    class Once:
        def describe(self) -> tuple[()]:
            return ()

        def collect(self) -> Iterator[Any]:
            return families(metrics)

    registry.register(Once())  # type: ignore[arg-type]
    text: str = generate_latest(registry).decode()
    return text


def test_names_keep_to_the_conventions() -> None:
    for family in text_string_to_metric_families(_text(FULL)):
        assert family.name.startswith("edgekit_")
        assert family.documentation
        assert not any(word in family.name for word in ("_ms", "_mb", "percent"))
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")


_name = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(st.lists(_name, max_size=4, unique=True), st.lists(_name, max_size=4), st.floats())
def test_any_names_and_numbers_can_be_parsed_again(
    pipelines: list[str], throttled: list[str], temperature: float
) -> None:
    door = FULL.pipelines["door"]
    assert FULL.board is not None
    metrics = msgspec.structs.replace(
        FULL,
        pipelines=dict.fromkeys(pipelines, door),
        board=msgspec.structs.replace(
            FULL.board, throttled=tuple(throttled), temperature_c=temperature
        ),
    )
    found = _samples(_text(metrics))
    assert {
        labels[0] for name, labels in found if name == "edgekit_pipeline_predictions_total"
    } == set(pipelines)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(Unavailable, match=f"cannot listen at 127.0.0.1:{port}: Address already"),
            MetricsExporter(lambda: BARE, port=port),
        ):
            pass


def test_the_port_is_free_again_afterwards_and_only_loopback_hears() -> None:
    with MetricsExporter(lambda: BARE, port=0) as exporter:
        port = exporter.port
        assert exporter._server.server_address[0] == "127.0.0.1"
    with MetricsExporter(lambda: BARE, port=port) as again:
        assert _samples(_scrape(again))


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgekit\[metrics\]'"):
        MetricsExporter(lambda: BARE)


def test_the_guide_names_every_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "surroundings.md").read_text()
    for family in text_string_to_metric_families(_text(FULL)):
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in page
