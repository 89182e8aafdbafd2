"""What a rollout knows of its boards, how it is remembered, and how it looks."""

import io
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from edgekit.deploy.rollout.picture import Picture, answered
from edgekit.deploy.rollout.plan import Board, Standing
from edgekit.deploy.rollout.state import Change, Key, Memory, default_path
from edgekit.deploy.rollout.summary import grouped, summarise
from edgekit.deploy.rollout.table import bar, change_line, closing_lines, drawing
from edgekit.deploy.rollout.topics import PARTS, RolloutTopics
from edgekit.errors import InputError
from edgekit.messaging.payloads import DeployDesired, DeployPhase, DeployStatus, encode
from edgekit.messaging.topic_filter import matches
from edgekit.messaging.topics import Topics, place_of
from tests.deploy.test_rollout_choice import status_of
from tests.deploy.test_rollout_plan import plan_of

TOLD = Board("b0", online=True, hint="install")
KEY = Key("broker:1883", "plant", "mean-1.1.0")


def said(phase: DeployPhase, **more: str) -> DeployStatus:
    """What a board says of this rollout's version."""
    fields = {"running": "1.0.0", "version": "1.1.0", "rollout": KEY.name, **more}
    return DeployStatus(boot="b", phase=phase, **fields)  # type: ignore[arg-type]


def after(board: Board, *statuses: DeployStatus) -> Board:
    """The board after it has said these."""
    for status in statuses:
        board = answered(board, status, KEY.name, "1.1.0")
    return board


@pytest.mark.parametrize(
    ("statuses", "answer"),
    [
        ([said("downloading")], "busy"),
        ([said("failed", reason="cannot be reached")], "busy"),
        ([said("trial"), said("committed", running="1.1.0")], "done"),
        ([said("idle", running="1.1.0", rollout="other")], "done"),
        ([said("rolled-back")], "failed"),
        ([said("refused")], "failed"),
        ([said("refused", version="1.0.9")], "busy"),
        ([said("rolled-back", rollout="other")], "none"),
        ([said("rolled-back"), said("idle", rollout="other")], "failed"),
        ([said("refused"), said("committed", running="1.1.0")], "done"),
        ([said("trial"), said("idle", rollout="other")], "busy"),
    ],
)
def test_a_board_has_answered_what_it_said(statuses: list[DeployStatus], answer: str) -> None:
    assert after(TOLD, *statuses).answer == answer


def test_a_board_that_answers_has_begun_although_its_hint_was_taken_back() -> None:
    assert after(replace(TOLD, hint=None), said("trial")).is_open


def test_the_first_reason_of_a_failure_stays() -> None:
    first = said("rolled-back", reason="too slow")
    again = said("refused", reason="was rolled back on this board before")
    assert after(TOLD, first, again).reason == "too slow"


def test_a_board_that_was_sent_back_has_gone_once_it_runs_something_else() -> None:
    told = replace(TOLD, hint="roll-back", answer="done")
    assert after(told, said("trial", running="1.1.0")).answer == "done"
    assert after(told, said("rolled-back")).answer == "reverted"
    for phase in ("refused", "failed"):
        assert after(told, said(phase, running="1.1.0", reason="no")).answer == "failed"  # type: ignore[arg-type]


def test_a_picture_passes_over_what_is_not_for_it() -> None:
    picture, board = Picture(KEY.name, plan_of(), {}), Topics("plant", "b0")
    hint = DeployDesired(version="1.1.0", rollout=KEY.name)
    assert picture.hear(board.status, encode(status_of())) == "b0"
    assert picture.hear(board.deploy_desired("mean"), encode(hint)) == "b0"
    assert picture.boards["b0"] == Board("b0", online=True, hint="install")
    assert picture.hear(board.deploy_status("other"), encode(said("trial"))) is None
    assert picture.hear(Topics("plant", "stranger").status, encode(status_of())) is None
    assert picture.hear(board.deploy_status("mean"), b"rubbish") is None
    assert picture.unreadable == 1
    assert picture.hear(board.status, b"") == "b0"
    assert not picture.boards["b0"].online


@settings(deadline=None)
@given(st.text(max_size=30), st.binary(max_size=60))
def test_a_picture_outlives_any_message(end: str, payload: bytes) -> None:
    picture = Picture(KEY.name, plan_of(), {})
    for topic in (end, f"edgekit/v1/plant/b0/{end}", "edgekit/v1/plant/b0/deploy/status/mean"):
        picture.hear(topic, payload)


def test_no_filter_of_a_board_reaches_a_rollout() -> None:
    topics = RolloutTopics("plant")
    for part in PARTS:
        topic = topics.of(part, "status")
        assert place_of(topic) is None
        assert topics.place(topic) == (part, "status")
        for device in ("rollouts", "plan", "+"):
            prefix = f"edgekit/v1/plant/{device}"
            for end in ("#", "deploy/desired/+", "cmd/+", "twin/desired"):
                assert not matches(f"{prefix}/{end}", topic)
    assert topics.place("edgekit/rollouts/v1/other/plan/x") is None


def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "below" / "rollouts.db"
    failed = Board("b1", hint="install", answer="failed", phase="rolled-back", reason="too slow")
    change = Change(5, "b1", "rolled-back: too slow")
    with Memory(path) as memory:
        memory.keep(KEY, "plan", b"one")
        memory.keep(KEY, "plan", b"two")
        memory.keep(KEY, "wish", b"three")
        memory.keep_boards(KEY, [failed, Board("b2")], [change])
    with Memory(path) as memory:
        assert memory.parts(KEY) == {"plan": b"two", "wish": b"three"}
        assert memory.boards(KEY) == {"b1": failed, "b2": Board("b2")}
        assert memory.changes(KEY) == [change]
        assert memory.keys() == [KEY]
        assert memory.parts(replace(KEY, fleet="other")) == {}


def test_a_memory_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.db"
    rubbish.write_bytes(b"rubbish" * 1000)
    with pytest.raises(InputError, match="cannot be remembered there: file is not a database"):
        Memory(rubbish)
    with pytest.raises(InputError, match="name another file with --state"):
        Memory(rubbish / "below.db")
    later = tmp_path / "later.db"
    with sqlite3.connect(later) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InputError, match="is of another edgekit"):
        Memory(later)


def test_a_memory_lies_where_the_desktop_keeps_state() -> None:
    home = Path("/home/ada")
    assert default_path({}, home) == home / ".local/state/edgekit/rollouts.db"
    assert default_path({"XDG_STATE_HOME": "/s"}, home) == Path("/s/edgekit/rollouts.db")


def test_reasons_that_differ_in_numbers_are_one() -> None:
    reasons = ["differ by 0.81 (at most 0.25)", "differ by 0.9 (at most 0.25)", "too hot"]
    boards = [Board(f"b{n}", answer="failed", reason=text) for n, text in enumerate(reasons)]
    assert [(each.count, each.boards) for each in grouped(boards)] == [
        (2, ("b0", "b1")),
        (1, ("b2",)),
    ]


def test_a_summary_counts_each_board_once_and_reads_well() -> None:
    boards = {
        "b0": replace(TOLD, answer="done", phase="committed"),
        "b1": Board("b1", True, "install", "failed", "rolled-back", "too \x1b[2Jslow"),
        "b2": Board("b2", True, "install", "busy", "trial"),
        "b3": Board("b3", False, "install", "busy", "trial"),
        "b4": Board("b4", True),
        "b5": Board("b5", True, None, "done"),
        "b6": Board("b6", True, "install", "none"),
    }
    standing = Standing(wave=1, late=frozenset({"b3"}), state="stopped", reason="why")
    found = summarise("r", "plant", plan_of(8, (1, 8)), standing, boards)
    assert (found.begun, found.committed, found.failed, found.busy) == (5, 1, 1, 2)
    assert (found.late, found.away, found.already, found.reverted) == (1, 1, 1, 0)
    assert found.phases == {"told": 1, "trial": 1}
    lines = closing_lines(found)
    assert lines[0].startswith("r: stopped, wave 2 of 2 (8 of 8 boards), 1 committed, 2 busy")
    assert lines[0].endswith(": why")
    assert lines[1] == "  1 failed: too �[2Jslow (b1)"
    assert "\x1b" not in change_line(Change(0, "b1", "\x1b[2J"))
    console = Console(width=100, file=io.StringIO())
    console.print(drawing(found))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for part in ("stopped: why", "wave 2 of 2: up to 8 of 8 boards", "not begun      1", "trial"):
        assert part in shown
    assert bar(0, 8) == ""
    assert len(bar(1, 8000)) == 1
