"""How a job looks while it is served."""

import io
import json

from rich.console import Console

from edgekit.federated.coordinator.changes import Change
from edgekit.federated.coordinator.summary import Summary
from edgekit.federated.coordinator.table import change_line, closing_lines, drawing
from edgekit.federated.report import Round

ROUND = Round(3, 0.5, 1.25, 8, {"b": "its norm"}, 98_000, 0.3, 1.5, 10, 99_000, 1.5, 1.25, 2.0)
SUMMARY = Summary(
    job="digits",
    fleet="plant",
    state="running",
    reason="",
    done=3,
    rounds=20,
    there=9,
    absent={"offline": 2, "on battery\x1b[2J": 1},
    needed=10,
    seats={"accepted": 3, "delivered": 5, "refused": 1},
    refused={"gate-1": "holds NaN"},
    waits_s=12.0,
    last=(ROUND,),
    best=3,
    epsilon=8.0,
)


def drawn(summary: Summary) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(drawing(summary, [Change(0, "gate-1", "refused: holds NaN\x1b[31m")]))
    return console.export_text()


def test_the_table_has_boards_rounds_and_what_is_spent_of_the_budget() -> None:
    text = drawn(SUMMARY)
    for said in ("digits", "3 of 20 rounds", "9 boards are there; not 2 offline", "delivered",
                 "the round takes 10 updates, at most 12 s more", "0.500", "1.250",
                 "epsilon 1.25 of 8 is spent", "gate-1: refused: holds NaN"):  # fmt: skip
        assert said in text


def test_nothing_that_a_board_says_steers_the_terminal() -> None:
    assert "\x1b" not in drawn(SUMMARY)
    assert "\x1b" not in change_line(Change(0, "gate\x1b[2J", "x\r\n"))


def test_the_last_lines_say_how_it_ended_and_who_was_refused() -> None:
    assert closing_lines(SUMMARY) == [
        "digits: running, 3 of 20 rounds, accuracy 0.500, loss 1.250, epsilon 1.25, "
        "best in round 3",
        "  refused: gate-1: holds NaN",
    ]


def test_the_document_holds_no_number_that_json_lacks() -> None:
    document = SUMMARY.document()
    assert json.loads(json.dumps(document, allow_nan=False))["done"] == 3
