"""Mistakes in fusion, facts and rules are told when the settings are checked, all at once."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.config.checking import check
from edgekit.config.prediction_stages import PredictionStage
from edgekit.config.rule_checks import check_rules, readables_of
from edgekit.config.rules import FactName, FactTable, FusionTable, RuleTable
from edgekit.config.table import Table, TopicLevel
from edgekit.errors import ConfigError
from edgekit.messaging.payloads import decode_fired
from edgekit.pipeline.message import message_of
from edgekit.pipeline.rules.book import RuleBook
from edgekit.pipeline.rules.readings import Readable
from tests.pipeline.inferences import anomaly, classes, inference

SINK = {"kind": "jsonl", "path": "x.jsonl"}
PIPELINES: dict[str, Readable | None] = {
    "door": Readable("classes", ("person", "dog")),
    "mic": Readable("classes", ("person", "siren")),
    "pump": Readable("anomaly"),
    "fan": Readable("anomaly"),
    "level": Readable("raw"),
    "broken": None,
}


class Document(Table, frozen=True, kw_only=True):
    fusion: dict[TopicLevel, FusionTable] = {}  # noqa: RUF012 - msgspec copies it
    facts: dict[FactName, FactTable] = {}  # noqa: RUF012
    rules: dict[TopicLevel, RuleTable] = {}  # noqa: RUF012


def document(**tables: Any) -> Document:
    return check(tables, Document, source="t", folder=Path())


def mistakes(**tables: Any) -> list[str]:
    read = document(**tables)
    return check_rules(pipelines=PIPELINES, fusion=read.fusion, facts=read.facts, rules=read.rules)


def rule(when: str, **more: Any) -> dict[str, Any]:
    return {"when": when, "sinks": [SINK], **more}


GATE = {"inputs": {"door": 0.7, "mic": 0.3}, "window_s": 0.5}


def test_good_settings_have_no_mistakes_and_make_a_rule_book() -> None:
    tables = {
        "fusion": {"gate": GATE, "both": {"inputs": {"pump": 1, "fan": 2}, "window_s": 1}},
        "facts": {"person_at_door": {"when": "gate.person > 0.8", "for_s": 5}},
        "rules": {
            "intruder": rule("person_at_door and both.score > 1.2", for_s=1, cooldown_s=60),
            "siren": rule("gate.siren > 0.5", repeat=True, cooldown_s=10),
        },
    }
    assert mistakes(**tables) == []
    read = document(**tables)
    readables, _ = readables_of(PIPELINES, read.fusion)
    assert readables["gate"].labels == ("person", "dog", "siren")
    book = RuleBook(
        [table.rule(name) for name, table in read.rules.items()],
        [table.fact(name) for name, table in read.facts.items()],
        readables=readables,
        boot="b",
    )
    assert book.next_tick_s() is None


def test_every_mistake_is_told_with_its_key_and_the_nearest_right_word() -> None:
    assert mistakes(
        fusion={
            "gate": {"inputs": {"door": 1, "mick": 1}, "window_s": 1},
            "odd": {"inputs": {"door": 1, "pump": 1, "level": 1}, "window_s": 1},
            "pump": {"inputs": {"door": 1, "mic": 1}, "window_s": 1},
        },
        facts={
            "person": {"when": "door.persn > 0.8"},
            "door": {"when": "pump.anomalous"},
            "lambda": {"when": "pump.anomalous"},
            "x": {"when": "not y"},
            "y": {"when": "x"},
        },
        rules={"r": rule("persn and pump.score"), "s": rule("door.person"), "t": rule("(")},
    ) == [
        "fusion.pump: a pipeline has that name",
        "facts.door: a pipeline has that name",
        "facts.lambda: the word means something in expressions; choose another",
        "fusion.gate.inputs.mick: there is no such pipeline; did you mean mic?",
        "fusion.odd.inputs.level: gives raw values, which cannot be fused",
        "fusion.odd.inputs: door gives classes and pump an anomaly score, which cannot be fused "
        "with each other; write a rule that reads both",
        "facts.person.when: there is no door.persn; did you mean door.person?",
        "rules.r.when: there is no pipeline or fact 'persn'; did you mean person?",
        "rules.r.when: pump.score is a number, and true or false is needed there: compare it, "
        "as in x > 0.5",
        "rules.s.when: door.person is a number, and true or false is needed there: compare it, "
        "as in x > 0.5",
        "rules.t.when: is not an expression: '(' was never closed at character 1; write it like "
        "door.person > 0.8 and not pump.anomalous",
        "facts.x.when: facts read each other in a circle: x -> y -> x",
    ]


def test_what_reads_a_bundle_that_cannot_be_read_is_not_judged() -> None:
    tables = {
        "fusion": {"gate": {"inputs": {"door": 1, "broken": 1}, "window_s": 1}},
        "rules": {"a": rule("broken.person > 1"), "b": rule("gate.person > 1 and brken.x > 1")},
    }
    assert mistakes(**tables) == [
        "rules.b.when: there is no pipeline 'brken'; did you mean broken?"
    ]


def test_a_thousand_labels_are_not_all_listed() -> None:
    pipelines: dict[str, Readable | None] = {
        "net": Readable("classes", tuple(f"label {n:04}" for n in range(1000)))
    }
    rules = document(rules={"r": rule("net.qqqqqqqqqqqqqqq > 1")}).rules
    (line,) = check_rules(pipelines=pipelines, fusion={}, facts={}, rules=rules)
    assert len(line) < 250


@pytest.mark.parametrize(
    ("tables", "says"),
    [
        ({"fusion": {"g": {**GATE, "require": 3}}}, "require is 3, but there are 2 inputs"),
        ({"fusion": {"g": {**GATE, "inputs": {"door": 1}}}}, "length >= 2"),
        ({"fusion": {"g": {**GATE, "inputs": {"door": 0, "mic": 1}}}}, "> 0"),
        ({"fusion": {"g": {**GATE, "window_s": float("nan")}}}, "> 0"),
        ({"fusion": {"g": {**GATE, "pool": "mean"}}}, "pool"),
        ({"facts": {"a-b": {"when": "x"}}}, "facts.a-b"),
        ({"rules": {"r": {"when": "x"}}}, "rules.r.sinks: is missing"),
        ({"rules": {"r": rule("x", repeat=True)}}, "repeat needs a cooldown_s"),
        ({"rules": {"r": rule("x", for_s=-1)}}, ">= 0"),
        ({"rules": {"r": rule("x" * 257)}}, "length <= 256"),
        ({"rules": {"r": rule("x", cooldown=1)}}, "did you mean cooldown_s?"),
    ],
)
def test_tables_out_of_range_are_refused(tables: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        document(**tables)
    assert says in str(caught.value)


texts = st.text(min_size=1, max_size=40) | st.sampled_from(
    ["f1", "f2 and f1", "door.person > 1", "gate.person", "gate.score > 1", "not f3", "pump"]
)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["f1", "f2", "f3", "door"]), texts),
    st.dictionaries(st.sampled_from(["r1", "door"]), texts),
    st.dictionaries(
        st.sampled_from(["gate", "pump", "f1"]),
        st.dictionaries(st.sampled_from([*PIPELINES, "gate", "nowhere"]), st.just(1.0), min_size=2),
    ),
)
def test_any_tables_give_mistakes_or_a_rule_book(
    facts: dict[str, str], rules: dict[str, str], fusion: dict[str, dict[str, float]]
) -> None:
    read = document(
        fusion={name: {"inputs": inputs, "window_s": 1} for name, inputs in fusion.items()},
        facts={name: {"when": when} for name, when in facts.items()},
        rules={name: rule(when) for name, when in rules.items()},
    )
    found = check_rules(pipelines=PIPELINES, fusion=read.fusion, facts=read.facts, rules=read.rules)
    assert all(line.partition(".")[0] in ("fusion", "facts", "rules") for line in found)
    readables, unread = readables_of(PIPELINES, read.fusion)
    if not found and not unread & {"gate"}:
        RuleBook(
            [table.rule(name) for name, table in read.rules.items()],
            [table.fact(name) for name, table in read.facts.items()],
            readables=readables,
            boot="b",
        )


def guide_blocks(language: str) -> list[str]:
    text = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_guides_settings_have_no_mistakes() -> None:
    (block,) = guide_blocks("toml")
    tables = tomllib.loads(block)
    pipelines = tables.pop("pipelines")
    assert mistakes(**tables) == []
    for stage in pipelines["door"]["stages"]:
        check({"stage": stage}, StageDocument, source="t", folder=Path())


def test_the_guides_event_is_what_the_guides_rule_makes() -> None:
    read = document(
        **{k: v for k, v in tomllib.loads(guide_blocks("toml")[0]).items() if k != "pipelines"}
    )
    readables, _ = readables_of(PIPELINES, read.fusion)
    book = RuleBook(
        [table.rule(name) for name, table in read.rules.items()],
        [table.fact(name) for name, table in read.facts.items()],
        readables=readables,
        boot="5f0c",
        now_ms=lambda: 1790000000000,
    )
    book.take(inference(classes(0.9, 0.1, labels=("person", "dog")), "gate"), 0.0)
    book.take(inference(classes(0.9, 0.1, labels=("person", "dog")), "gate"), 3.0)
    book.take(anomaly(11.0, pipeline="pump"), 3.0)
    (fired,) = book.tick(5.0)
    (block,) = guide_blocks("json")
    assert message_of(fired) == decode_fired(block.encode())


class StageDocument(Table, frozen=True, kw_only=True):
    stage: PredictionStage
