"""New code of the daemon: its starts are counted, it is confirmed, or it loses its place."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.daemon import boot_check
from edgekit.daemon.boot_check import CONFIRMED, CodeSlots, Decision, Trial, decide, read_trial
from edgekit.daemon.code_trial import CodeTrial, code_on_trial

TRIAL = Trial("t1", "b", "a")


class Board:
    """A board with two slots of which a runs."""

    def __init__(self, folder: Path) -> None:
        self.home, self.state = folder / "opt", folder / "state"
        for slot in "ab":
            self.installs(slot)
        (self.home / "current").symlink_to("slots/a")
        self.state.mkdir()
        self.slots = CodeSlots(self.home, self.state)

    def installs(self, slot: str) -> None:
        (self.home / "slots" / slot / "bin").mkdir(parents=True)
        (self.home / "slots" / slot / "bin" / "edgekitd").touch()

    def begins(self, slot: str = "b", *, max_starts: int = 3) -> Trial:
        return self.slots.begin(slot, max_starts=max_starts, confirm_after_s=120)

    @property
    def runs(self) -> str:
        """The slot that a start would run, by the link itself."""
        return (self.home / "current" / "bin").resolve().parent.name


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


def test_each_start_of_new_code_counts_and_the_one_too_many_goes_back() -> None:
    trial = TRIAL
    for start in (1, 2, 3):
        decision = decide(trial, current="b", confirmed=None)
        assert decision.trial is not None
        assert (decision.trial.starts, decision.switch_to) == (start, None)
        trial = decision.trial
    decision = decide(trial, current="b", confirmed=None)
    assert (decision.trial, decision.switch_to) == (None, "a")
    assert decision.outcome is not None
    assert decision.outcome.kind == "fell-back"


def test_a_confirmation_ends_the_trial_also_at_its_last_start() -> None:
    last = Trial("t1", "b", "a", starts=3)
    decision = decide(last, current="b", confirmed="t1")
    assert (decision.trial, decision.switch_to) == (None, None)
    assert decision.outcome is not None
    assert decision.outcome.kind == "confirmed"


def test_the_confirmation_of_another_trial_counts_for_nothing() -> None:
    decision = decide(TRIAL, current="b", confirmed="t0")
    assert decision.trial is not None
    assert decision.trial.starts == 1


def test_a_trial_of_what_does_not_run_is_dropped_and_switches_nothing() -> None:
    assert decide(TRIAL, current="a", confirmed=None) == Decision(None)
    assert decide(None, current="b", confirmed="t1") == Decision(None)


def test_code_that_never_comes_up_is_taken_back(board: Board) -> None:
    board.begins(max_starts=2)
    assert board.runs == "b"
    told = [board.slots.start() for _ in range(3)]
    assert told[:2] == [f"slot b is on trial: start {n} of 2" for n in (1, 2)]
    assert told[2].startswith("slot b: fell-back: did not run for 120 s")
    assert board.runs == "a"
    assert board.slots.show()["phase"] == "fell-back"
    assert board.slots.start() == "nothing is on trial"


def test_code_that_ran_for_its_time_stays(board: Board) -> None:
    trial = board.begins(max_starts=1)
    board.slots.start()
    now = [0.0]
    code = CodeTrial(trial, board.state, clock_s=lambda: now[0])
    for now[0] in (0.0, 119.0):
        code.look()
        assert board.slots.show()["phase"] == "trial"
    now[0] = 120.0
    code.look()
    assert board.slots.show()["phase"] == "confirmed"
    assert board.slots.start() == "slot b: confirmed"
    assert board.runs == "b"
    assert board.slots.show()["trial"] is None


def test_work_that_is_stuck_begins_the_time_anew(board: Board) -> None:
    now = [0.0]
    code = CodeTrial(board.begins(), board.state, clock_s=lambda: now[0])
    for now[0], trouble in ((0.0, None), (100.0, "hall is stuck"), (219.0, None)):
        code.look(trouble)
    assert not (board.state / CONFIRMED).exists()
    now[0] = 220.0
    code.look()
    assert (board.state / CONFIRMED).read_text().strip() == board.slots.show()["trial"]["id"]


def test_a_second_trial_is_not_confirmed_by_the_first_one(board: Board) -> None:
    first = board.begins()
    (board.state / CONFIRMED).write_text(first.id)
    board.slots.start()
    board.begins("a")
    assert board.slots.start() == "slot a is on trial: start 1 of 3"


def test_the_daemon_knows_its_trial_by_the_environment_it_runs_in(board: Board) -> None:
    assert code_on_trial(board.home / "slots" / "b") is None
    trial = board.begins()
    assert code_on_trial(board.home / "slots" / "b") == trial
    assert code_on_trial(board.home / "current") == trial
    assert code_on_trial(board.home / "slots" / "a") is None
    assert code_on_trial(board.home) is None


def test_nothing_is_tried_that_could_not_run_or_be_fallen_back_from(board: Board) -> None:
    for slot, says in (("a", "is the one that runs"), ("c", "install it first")):
        with pytest.raises(ValueError, match=says):
            board.begins(slot)
    with pytest.raises(ValueError, match="install it first"):
        board.begins("../../etc")
    (board.home / "slots" / "a" / "bin" / "edgekitd").unlink()
    with pytest.raises(ValueError, match="no link to a slot that can run"):
        board.begins("b")
    assert board.runs == "a"


def test_a_slot_that_is_gone_is_not_fallen_back_to(board: Board) -> None:
    board.begins(max_starts=1)
    (board.home / "slots" / "a" / "bin" / "edgekitd").unlink()
    board.slots.start()
    assert "cannot be fallen back to" in board.slots.start()
    assert board.runs == "b"


def test_power_that_fails_between_the_note_and_the_switch_leaves_the_old_code(
    board: Board,
) -> None:
    trial = board.begins()
    (board.home / "current").unlink()
    (board.home / "current").symlink_to("slots/a")  # as the disk was before the switch
    assert board.slots.start() == "nothing is on trial"
    assert board.runs == "a"
    assert board.begins().id != trial.id


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "slot", "before", "starts", "max_starts", "confirm_after_s", "x"]
                ),
                inner,
                max_size=7,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_the_trials_file_holds_it_is_a_trial_or_none(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    home = tmp_path_factory.getbasetemp() / "any"
    home.mkdir(exist_ok=True)
    (home / "trial.json").write_bytes(data)
    trial = read_trial(home)
    if trial is not None:
        decide(trial, current=trial.slot, confirmed=None)


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "long"])
def test_the_daemons_folder_cannot_mislead_or_hang_the_check(board: Board, kind: str) -> None:
    trial, file = board.begins(), board.state / CONFIRMED
    match kind:
        case "link":
            (board.home / "id").write_text(trial.id)
            file.symlink_to(board.home / "id")
        case "pipe":
            os.mkfifo(file)
        case "folder":
            file.mkdir()
        case "long":
            file.write_text(trial.id + "0" * 10_000)
    assert board.slots.start() == "slot b is on trial: start 1 of 3"


def test_the_copy_outside_the_slots_runs_without_edgekit(board: Board, tmp_path: Path) -> None:
    copy = tmp_path / "boot_check.py"
    copy.write_bytes(Path(boot_check.__file__).read_bytes())

    def does(*words: str) -> "subprocess.CompletedProcess[str]":
        options = ["--home", str(board.home), "--state", str(board.state)]
        command = [sys.executable, "-I", "-S", str(copy), *options, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert does("check").stdout == "nothing is on trial\n"
    assert json.loads(does("try", "b", "--max-starts", "1").stdout)["slot"] == "b"
    assert does("check").stdout == "slot b is on trial: start 1 of 1\n"
    shown = json.loads(does("show").stdout)
    assert (shown["phase"], shown["current"]) == ("trial", "b")
    assert "fell-back" in does("check").stdout
    refused = does("try", "z")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "install it first" in refused.stderr
