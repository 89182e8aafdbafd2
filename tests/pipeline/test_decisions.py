"""The decision log holds what was decided, stays small, and is set aside where it is damaged."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgekit.cli.decisions import decisions
from edgekit.errors import EdgekitError, InputError
from edgekit.pipeline.decision_records import Query, read_decisions
from edgekit.pipeline.decisions import DecisionLog, DecisionSink, open_decisions
from edgekit.pipeline.parts import Firing, Inference
from edgekit.runtime.prediction import (
    AnomalyScore,
    Classification,
    ClassScore,
    Prediction,
    RawValues,
    Timing,
)
from tests.messaging.linking import hearing

_NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00Z


def _inference(
    sequence: int = 0, *, pipeline: str = "door", label: str = "cat", **changes: Any
) -> Inference:
    prediction: Prediction = Classification((ClassScore(3, label, 0.75), ClassScore(1, "dog", 0.2)))
    fields: dict[str, Any] = {
        "pipeline": pipeline,
        "sequence": sequence,
        "boot": "b",
        "model_name": "squeezenet",
        "model_version": "1.2.0",
        "model_hash": "9b1c04d2e7aa",
        "captured_ms": _NOON_MS + 1000 * sequence,
        "origin": "",
        "prediction": prediction,
        "timing": Timing(age=0.0, prepare=0.0, infer=0.0, interpret=0.0),
    }
    return Inference(**(fields | changes))


_FIRING = Firing("leak", 7, "b", _NOON_MS + 500, "pump.score > 1", 5.0, {"pump.score": 1.5})


def _wait(holds: Callable[[], bool]) -> None:
    ticking, deadline = threading.Event(), 2000
    while not holds() and deadline:
        ticking.wait(0.01)
        deadline -= 1
    assert holds()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of a cat, a dog by another model, an anomaly, a number, and a rule that fired."""
    path = tmp_path / "decisions.db"
    with open_decisions(path) as decided, DecisionSink(decided) as sink:
        assert sink.send(_inference(0))
        assert sink.send(_inference(1, label="dog", model_version="1.3.0"))
        sink.send(_inference(2, pipeline="pump", prediction=AnomalyScore(1.5, 1.0)))
        sink.send(_inference(3, pipeline="level", prediction=RawValues(np.zeros(2))))
        sink.send(_FIRING)
    assert (decided.written, decided.dropped) == (5, 0)
    return path


def test_what_was_decided_can_be_read_again(path: Path) -> None:
    cat, dog, anomaly, number, rule = read_decisions(path, Query())
    assert (cat.name, cat.label, cat.p, cat.model_version) == ("door", "cat", 0.75, "1.2.0")
    assert (dog.label, dog.model_version, dog.seq, dog.boot) == ("dog", "1.3.0", 1, "b")
    assert (anomaly.score, anomaly.anomalous, anomaly.label) == (1.5, True, None)
    assert (number.name, number.score, number.label) == ("level", None, None)
    assert (rule.kind, rule.name, rule.facts) == ("rule", "leak", {"pump.score": 1.5})
    assert (rule.expression, rule.model_name, rule.seq) == ("pump.score > 1", None, 7)


@pytest.mark.parametrize(
    ("query", "sequences"),
    [
        (Query(pipeline="door"), [0, 1]),
        (Query(rule="leak"), [7]),
        (Query(pipeline="pump", rule="leak"), [2, 7]),
        (Query(label="dog"), [1]),
        (Query(model="squeezenet 1.3.0"), [1]),
        (Query(model="9b1c04d2e7aa"), [0, 1, 2, 3]),
        (Query(since_ms=_NOON_MS + 500, until_ms=_NOON_MS + 3000), [1, 2, 7]),
        (Query(limit=2), [3, 7]),
        (Query(pipeline="door'; DROP TABLE decisions; --"), []),
    ],
)
def test_a_query_gives_what_fits(path: Path, query: Query, sequences: list[int]) -> None:
    assert [decision.seq for decision in read_decisions(path, query)] == sequences


def test_the_oldest_make_room(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with DecisionLog(path, max_bytes=200_000, batch_s=0.0) as decided:
        for sequence in range(8000):
            decided.record(_inference(sequence))
            if sequence % 1000 == 0:
                _wait(lambda at=sequence: decided.written > at)
    assert path.stat().st_size < 400_000
    kept = [decision.seq for decision in read_decisions(path, Query(limit=10**6))]
    assert kept == list(range(8000 - len(kept), 8000))
    assert 500 < len(kept) < 8000


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with DecisionLog(path, batch_s=0.0) as decided:
        decided.record(_inference(0))
        _wait(lambda: decided.written == 1)
        assert len(read_decisions(path, Query())) == 1
        decided.record(_inference(1))
        _wait(lambda: decided.written == 2)
        assert len(read_decisions(path, Query())) == 2


@pytest.mark.parametrize("damage", [b"not a database", b"\0" * 20_000])
def test_a_damaged_file_is_said_and_set_aside(path: Path, damage: bytes) -> None:
    path.write_bytes(damage)
    with pytest.raises(InputError, match=r"decisions\.db: is "):
        read_decisions(path, Query())
    with hearing("edgekit.pipeline.decisions") as said, open_decisions(path) as decided:
        decided.record(_inference(9))
    assert "begun anew" in said.first()
    assert [decision.seq for decision in read_decisions(path, Query())] == [9]
    assert path.with_name("decisions.db.damaged").read_bytes() == damage


def test_a_file_of_another_kind_is_no_decision_log(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as made:
        made.execute("CREATE TABLE decisions (x)")
    made.close()
    with pytest.raises(InputError, match="is not a decision log of version 1"):
        read_decisions(other, Query())
    with pytest.raises(InputError, match=r"no such file; does \[decisions\] stand"):
        read_decisions(tmp_path / "none.db", Query())


def test_a_folder_that_is_not_there_is_said_once_and_what_came_is_counted(tmp_path: Path) -> None:
    with (
        hearing("edgekit.pipeline.decisions") as said,
        DecisionLog(tmp_path / "none" / "decisions.db", batch_s=0.0) as decided,
    ):
        for sequence in range(3):
            decided.record(_inference(sequence))
            _wait(lambda count=sequence: decided.dropped > count)
    assert len(said.lines) == 1
    assert "is not written: it cannot be opened" in said.lines[0]


_KILLED = """
import sys
from pathlib import Path
from edgekit.pipeline.decisions import DecisionLog
from tests.pipeline.test_decisions import _inference
with DecisionLog(Path(sys.argv[1]), batch_s=0.0) as decided:
    for sequence in range(10**6):
        decided.record(_inference(sequence))
        if sequence == 2000:
            print("going", flush=True)
"""


def test_a_kill_leaves_a_file_that_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "decisions.db"
    with subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
    with open_decisions(path) as decided:
        decided.record(_inference(0, label="after"))
    assert not path.with_name("decisions.db.damaged").exists()
    assert read_decisions(path, Query(limit=1))[0].label == "after"


def test_the_command_lists_lines_and_json(path: Path) -> None:
    listed = CliRunner().invoke(decisions, [str(path.parent)])
    assert listed.exit_code == 0, listed.output
    lines = listed.output.splitlines()
    assert lines[0] == (
        "2026-01-01T12:00:00.000+00:00  door  squeezenet 1.2.0 9b1c04d2e7aa  cat 0.750  b/0"
    )
    assert "score 1.5 anomalous" in lines[2]
    assert "fired: pump.score > 1 (pump.score=1.5)" in lines[4]
    options = ["--json", "--pipeline", "door", "--since", "2026-01-01T12:00:01Z", "--limit", "5"]
    as_json = CliRunner().invoke(decisions, [str(path.parent), *options])
    assert [found["seq"] for found in json.loads(as_json.output)] == [1]


def test_the_command_says_what_it_cannot_read(path: Path) -> None:
    bad = CliRunner().invoke(decisions, [str(path), "--since", "yesterday"])
    assert bad.exit_code == 2
    assert "neither a date like" in bad.output
    recent = CliRunner().invoke(decisions, [str(path), "--since", "2h", "--until", "0s"])
    assert recent.exit_code == 0
    assert "nothing was decided that fits" in recent.output


def test_the_command_needs_nothing_of_the_workstation() -> None:
    code = (
        "import sys; from edgekit.cli.decisions import decisions;"
        "from edgekit.pipeline.decision_records import read_decisions;"
        "assert not {'rich', 'onnx', 'cv2', 'onnxruntime'} & set(sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


_damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1)


@given(_damage)
@example([(0.48046875, 128)])  # SQLite's own message then is no UTF-8
@settings(deadline=None, max_examples=60)
def test_a_damaged_log_reads_or_raises_one_of_our_errors(damage: list[tuple[float, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decisions.db"
        with open_decisions(path) as decided:
            for sequence in range(20):
                decided.record(_inference(sequence))
            decided.record(_FIRING)
        content = bytearray(path.read_bytes())
        for share, byte in damage:
            content[int(share * len(content))] = byte
        path.write_bytes(bytes(content))
        with suppress(EdgekitError):
            read_decisions(path, Query())
        with open_decisions(path) as decided:
            decided.record(_inference(99))
        assert 99 in [found.seq for found in read_decisions(path, Query())]
