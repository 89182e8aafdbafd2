"""The slots' states: every step, and files that were damaged."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import BundleError, InputError
from edgekit.update import state as steps
from edgekit.update.files import DiskFiles
from edgekit.update.release import Release
from edgekit.update.state import SlotState, Trial
from edgekit.update.state_file import StateFiles, decode_state, encode_state


def release(number: int) -> Release:
    return Release(name="mean", version=f"1.{number}.0", sha256=f"{number:064x}")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["stage", "begin", "commit", "roll back", "go back", "start"]),
        st.integers(1, 5),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=200)
@given(ACTIONS)
def test_current_changes_only_by_a_commit_or_by_going_back_to_what_was_committed(
    actions: list[tuple[str, int]],
) -> None:
    state = SlotState(name="mean")
    committed: set[Release | None] = {None}
    for action, number in actions:
        before = state
        try:
            match action:
                case "stage":
                    state = steps.stage(state, release(number))
                case "begin":
                    state = steps.begin_trial(state, max_restarts=number - 1, allowed_s=1.0)
                case "commit":
                    state = steps.commit(state)
                    committed.add(state.current)
                    assert before.trial is not None
                    assert state.current == before.trial.release
                    assert state.previous == before.current
                case "roll back":
                    state = steps.roll_back(state, "why")
                case "go back":
                    state = steps.go_back(state, "why", to_settings=True)
                    assert (state.current, state.previous) == (before.previous, before.current)
                case "start":
                    state = steps.start(state)
        except InputError:
            assert state == before
            continue
        assert state.current in committed
        assert state.previous in committed
        if action not in ("commit", "go back"):
            assert (state.current, state.previous) == (before.current, before.previous)
        assert state.phase in ("idle", "fetched", "trial", "committed", "rolled-back")
        assert decode_state(encode_state(state), where="x") == state


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_a_trial_outlives_so_many_starts_and_no_more(allowed: int) -> None:
    trial = Trial(release=release(1), max_restarts=allowed)
    state = SlotState(name="mean", current=release(2), trial=trial)
    for _ in range(allowed):
        state = steps.start(state)
        assert state.trial is not None
    state = steps.start(state)
    assert state.trial is None
    assert state.outcome is not None
    assert "while it was on trial" in state.outcome.reason
    assert steps.start(state) == state


def test_every_byte_of_a_state_that_is_flipped_is_noticed() -> None:
    state = SlotState(name="mean", current=release(2), trial=Trial(release=release(1)))
    data = encode_state(state)
    for at in range(len(data)):
        for bit in range(8):
            flipped = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            try:
                assert decode_state(flipped, where="x") == state
            except BundleError as error:
                assert len(str(error).splitlines()) == 1


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_state_or_are_refused(data: bytes) -> None:
    with pytest.raises(BundleError):
        decode_state(data, where="x")


def test_a_state_of_another_edgekit_is_refused() -> None:
    data = encode_state(SlotState(name="mean")).replace(b'"format":1', b'"format":2')
    with pytest.raises(BundleError, match=r"x: is of another edgekit \(format 2\)"):
        decode_state(data, where="x")


def test_names_that_look_like_the_files_of_others_do_not_meet(tmp_path: Path) -> None:
    files = StateFiles(tmp_path, DiskFiles())
    names = ["a", "a.json", "a.json.json", "a.copy", "a.new"]
    for number, name in enumerate(names):
        files.save(SlotState(name=name, commits=number))
    assert files.names() == sorted(names)
    assert [files.load(name).commits for name in names] == list(range(5))


def test_a_stray_file_is_no_state(tmp_path: Path) -> None:
    files = StateFiles(tmp_path, DiskFiles())
    files.save(SlotState(name="a", current=release(1)))
    (tmp_path / "Notes of mine.json").write_text("{}")
    (tmp_path / "a.json.new").write_text("half")
    assert files.names() == ["a"]
    assert files.in_use() == {release(1).sha256}


def test_a_file_of_another_name_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    files = StateFiles(tmp_path, DiskFiles())
    files.save(SlotState(name="a", commits=3))
    (tmp_path / "b.json").write_bytes((tmp_path / "a.json").read_bytes())
    assert files.load("b") == SlotState(name="b")
    assert files.in_use() is None
