"""docs/bridge.md says what is so."""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgekit.config.mcu import McuTable
from edgekit.config.row_sources import SerialSource
from edgekit.messaging.payloads import BridgeMetrics, McuCommand, Metrics, MqttMetrics

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "bridge.md").read_text(encoding="utf-8")
LINK = BridgeMetrics(
    state="open", frames=1, bytes=2, beat_s=0.5, offset_us=1.0, rtt_us=1.0, drift_ppm=1.0
)


def test_the_examples_are_settings() -> None:
    blocks = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
    source = msgspec.convert(blocks[0]["pipelines"]["pump"]["source"], SerialSource)
    assert source.columns is not None
    mcu = msgspec.convert(blocks[1]["mcu"]["motor"], McuTable)
    assert mcu.readable.kind == "anomaly"


def test_the_command_is_one() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    arguments = msgspec.convert(json.loads(text)["arguments"], McuCommand)
    assert (arguments.device, arguments.args) == ("motor", {"seconds": 5})


@pytest.mark.parametrize("table", [SerialSource, McuTable, BridgeMetrics, McuCommand])
def test_every_setting_field_and_argument_is_named(table: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(table):
        assert f"`{field.name}`" in PAGE or f'"{field.name}"' in PAGE, field.name


def test_every_metric_of_prometheus_is_named() -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from edgekit.daemon.prometheus import _Collector

    metrics = Metrics(
        boot="b",
        uptime_s=1.0,
        pipelines={},
        mqtt=MqttMetrics(sent=0, acknowledged=0, dropped=0),
        bridges={"motor": LINK},
    )
    registry = CollectorRegistry()
    registry.register(_Collector(lambda: metrics))
    page = (DOCS / "surroundings.md").read_text(encoding="utf-8")
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    named = [one for one in families if one.name.startswith("edgekit_bridge_")]
    assert len(named) == 16
    for family in named:
        suffix = "_total" if family.type == "counter" else ""
        assert f"`{family.name}{suffix}`" in page
    (offset,) = [one for one in named if one.name == "edgekit_bridge_clock_offset_seconds"]
    assert offset.samples[0].value == pytest.approx(1e-6)
