"""A pipeline: every sample becomes an event or is counted."""

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import WindowRule
from edgekit.messaging.payloads import decode_infer
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.runner import PipelineRunner, Stages
from edgekit.pipeline.sinks.jsonl import JsonlSink
from edgekit.pipeline.sinks.memory import MemorySink
from edgekit.pipeline.sources.csv import CsvSource
from edgekit.pipeline.sources.replay import ReplaySource
from edgekit.pipeline.stages.window import Window
from edgekit.runtime.prediction import AnomalyScore
from edgekit.runtime.session import Session
from tests.samples import window_bundle


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session.open(window_bundle(tmp_path / "bundle").path)


def runner(session: Session, items: list[Sample | Refusal], sink: MemorySink) -> PipelineRunner:
    rule = WindowRule(length=4, hop=4, columns=("a", "b"))
    return PipelineRunner(
        "pump",
        source=ReplaySource(items),
        stages=Stages(samples=[Window(rule)]),
        session=session,
        sinks=[sink],
        boot="b",
    )


def row(value: float) -> Sample:
    return Sample(np.array([value, value]), 0, 5, f"row {value}")


def test_rows_become_windows_and_windows_events_in_order(session: Session) -> None:
    sink = MemorySink()
    pipeline = runner(session, [row(n) for n in range(12)], sink)
    pipeline.run()
    assert [event.sequence for event in sink.events] == [0, 1, 2]
    assert [event.prediction for event in sink.events] == [
        AnomalyScore(score, 10.0) for score in (1.5, 5.5, 9.5)
    ]
    assert sink.events[-1].origin == "row 11"
    assert (pipeline.counts.taken, pipeline.counts.predictions) == (12, 3)


def test_a_refusal_is_counted_and_makes_a_gap(session: Session) -> None:
    sink = MemorySink()
    items = [*map(row, range(3)), Refusal("bad"), *map(row, range(3, 7))]
    pipeline = runner(session, items, sink)
    pipeline.run()
    assert pipeline.counts.refused == 1
    assert [event.prediction for event in sink.events] == [AnomalyScore(4.5, 10.0)]


def test_a_sample_the_model_cannot_take_is_counted_and_the_next_one_worked(
    session: Session,
) -> None:
    sink = MemorySink()
    items: list[Sample | Refusal] = [row(np.nan)] * 4 + [row(1.0)] * 4
    pipeline = runner(session, items, sink)
    pipeline.run()
    assert (pipeline.counts.refused, pipeline.counts.predictions) == (1, 1)


def test_a_csv_file_becomes_lines_of_valid_messages(tmp_path: Path, session: Session) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("t,b,a\n" + "1970-01-01 00:00:01,1,2\n" * 8)
    source = CsvSource(rows, columns=("a", "b"), time_column="t")
    rule = WindowRule(length=4, hop=4, columns=("a", "b"))
    with JsonlSink(tmp_path / "out.jsonl") as sink:
        PipelineRunner(
            "pump",
            source=source,
            stages=Stages(samples=[Window(rule)]),
            session=session,
            sinks=[sink],
            boot="b",
        ).run()
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    messages = [decode_infer(line) for line in lines]
    assert [(m.seq, m.captured, m.score, m.anomalous) for m in messages] == [
        (0, 1000, 1.5, False),
        (1, 1000, 1.5, False),
    ]
    assert json.loads(lines[0])["origin"] == "rows.csv:5"


def test_a_missing_column_is_the_pipelines_failure(tmp_path: Path, session: Session) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("a\n1\n")
    source = CsvSource(rows, columns=("a", "b"))
    pipeline = PipelineRunner("pump", source=source, session=session, sinks=[], boot="b")
    pipeline.run()
    assert "no column 'b'" in str(pipeline.failure)
