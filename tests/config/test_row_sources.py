"""The sources of rows and the stages before the model, as `edgekit.toml` names them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgekit.config.checking import check
from edgekit.config.row_sources import (
    ColumnTopic,
    CsvSource,
    IioSource,
    MqttRowSource,
    RowSource,
    StdinSource,
    column_mistakes,
)
from edgekit.config.sample_stages import MotionStage, RateStage, SampleStage, WindowStage
from edgekit.errors import ConfigError


def checked(document: dict[str, Any], schema: Any) -> Any:
    return check(document, schema, source="edgekit.toml", folder=Path("/board"))


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (
            {"kind": "csv", "path": "a.csv", "follow": True},
            CsvSource(path=Path("/board/a.csv"), follow=True),
        ),
        ({"kind": "stdin", "format": "json"}, StdinSource(format="json")),
        (
            {"kind": "mqtt", "topic": "pump/+/t", "fields": ["t", "data.v"]},
            MqttRowSource(topic="pump/+/t", fields=("t", "data.v")),
        ),
        (
            {
                "kind": "mqtt",
                "columns": {"t": "pump/t", "v": {"topic": "pump", "field": "v"}},
                "interval_s": 1,
                "max_age_s": 10,
                "retained": True,
            },
            MqttRowSource(
                columns={"t": "pump/t", "v": ColumnTopic(topic="pump", field="v")},
                interval_s=1.0,
                max_age_s=10.0,
                retained=True,
            ),
        ),
        (
            {"kind": "iio", "device": "bme280", "interval_s": 0.5, "channels": ["temp"]},
            IioSource(device="bme280", interval_s=0.5, channels=("temp",)),
        ),
    ],
)
def test_a_source_is_what_its_table_says(document: dict[str, Any], wanted: RowSource) -> None:
    assert checked(document, RowSource) == wanted


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"kind": "csv", "path": "a", "follow": True, "interval_s": 1}, "leave out interval_s"),
        ({"kind": "stdin", "format": "xml"}, "format: "),
        ({"kind": "stdin", "columns": []}, "columns: "),
        ({"kind": "mqtt"}, "give topic"),
        ({"kind": "mqtt", "topic": "a", "columns": {"t": "a"}}, "not both"),
        ({"kind": "mqtt", "topic": "a/#/b"}, "'a/#/b' is no topic"),
        ({"kind": "mqtt", "columns": {"t": "a+"}}, "'a+' is no topic"),
        ({"kind": "mqtt", "columns": {"t": {"topic": ""}}}, "columns.t: '' is no topic"),
        ({"kind": "mqtt", "columns": {"t": {"topic": "a", "feild": "b"}}}, "did you mean field"),
        ({"kind": "mqtt", "topic": "a", "max_age_s": 5}, "go with columns only"),
        ({"kind": "mqtt", "columns": {"t": "a"}, "fields": ["t"]}, "fields goes with topic"),
        (
            {"kind": "mqtt", "columns": {"t": "a"}, "interval_s": 1, "time_field": "at"},
            "drop time_field",
        ),
        ({"kind": "iio", "device": "x"}, "interval_s: is missing"),
        ({"kind": "iio", "device": "x", "interval_s": 0}, "interval_s: "),
        ({"kind": "iio", "device": "", "interval_s": 1}, "device: "),
    ],
)
def test_a_mistake_in_a_source_is_named(document: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked(document, RowSource)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (CsvSource(path=Path("a"), columns=("x",)), ["columns: names 1, the bundle takes 2: t, v"]),
        (StdinSource(columns=("x", "y")), []),
        (MqttRowSource(topic="a", fields=("x", "y", "z")), ["fields: names 3, the bundle takes 2"]),
        (MqttRowSource(topic="a"), []),
        (MqttRowSource(columns={"v": "a", "t": "b"}), []),
        (
            MqttRowSource(columns={"t": "b", "w": "c"}),
            ["columns.v: is missing", "columns.w: is none of the bundle's"],
        ),
        (IioSource(device="d", interval_s=1, channels=("x",)), ["channels: names 1"]),
        (IioSource(device="d", interval_s=1), []),
    ],
)
def test_columns_that_do_not_fit_the_bundle_are_told(source: RowSource, says: list[str]) -> None:
    found = list(column_mistakes(source, ("t", "v")))
    assert len(found) == len(says)
    for line, start in zip(found, says, strict=True):
        assert line.startswith(start)


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ({"kind": "rate", "max_hz": 5}, RateStage(max_hz=5.0)),
        ({"kind": "motion", "hold_s": 0}, MotionStage(hold_s=0.0)),
        ({"kind": "window", "hop": 8, "max_gap_s": 5}, WindowStage(hop=8, max_gap_s=5.0)),
        ({"kind": "rate", "max_hz": 0}, None),
        ({"kind": "motion", "min_area": 2}, None),
        ({"kind": "motion", "threshold": 256}, None),
        ({"kind": "window", "hop": 0}, None),
    ],
)
def test_a_stage_is_what_its_table_says(
    document: dict[str, Any], wanted: msgspec.Struct | None
) -> None:
    if wanted is not None:
        assert checked(document, SampleStage) == wanted
        return
    with pytest.raises(ConfigError):
        checked(document, SampleStage)


def test_the_examples_of_the_guide_are_settings_and_it_names_every_setting() -> None:
    text = (Path(__file__).parents[2] / "docs" / "row_sources.md").read_text(encoding="utf-8")
    kinds: set[type] = set()
    for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        document = tomllib.loads(block)
        document = document.get("pipelines", {}).get("pump", document)
        if "source" in document:
            kinds.add(type(checked(document["source"], RowSource)))
        for stage in document.get("stages", []):
            checked(stage, SampleStage)
    assert kinds == {CsvSource, StdinSource, MqttRowSource, IioSource}
    for table in (*kinds, RateStage, MotionStage, WindowStage):
        for field in msgspec.structs.fields(table):
            assert f"`{field.name}`" in text
