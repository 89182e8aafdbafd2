"""A board that is killed resumes or stays out, and no mask ever covers two vectors."""

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.federated import RoundFailed
from edgekit.learning.federated.secure import PHASES, MessageRefused, SecureBoard
from edgekit.learning.federated.secure.state import decode_state
from tests.federated.secure.cohorts import Round, plain_sum, settings_for

ME = "board-0"


def is_the_plain_sum(run: Round, among: set[str]) -> bool:
    found, expected = run.server.result(), plain_sum(run.parts, among, run.settings)
    return bool((found.whole == expected[:-1]).all()) and found.samples == expected[-1]


@pytest.mark.parametrize("was_sent", [True, False])
@pytest.mark.parametrize("phase", PHASES)
def test_a_board_killed_after_it_saved_goes_on_whether_its_answer_was_sent_or_not(
    phase: str, was_sent: bool
) -> None:
    run = Round(settings_for(4), 4)
    for now in PHASES:
        run.collect(now, {ME} if now == phase and not was_sent else set())
        if now == phase:
            answer = run.answer(ME, now)
            again = SecureBoard.resumed(run.saved[ME], save=run.saver(ME))
            assert (again.phase, again.answer) == (now, answer)
            run.boards[ME] = again
            run.server.add(now, ME, again.answer)
        run.asked = run.server.end_phase()
    assert is_the_plain_sum(run, set(run.parts))


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_board_killed_before_it_saved_answers_for_the_first_time(phase: str) -> None:
    run = Round(settings_for(4), 4)
    run.play(PHASES[: PHASES.index(phase)])
    before = run.saved[ME]

    def dies(state: bytes) -> None:
        raise OSError("power is gone")

    run.boards[ME] = SecureBoard.resumed(before, save=dies)
    with pytest.raises(OSError, match="power is gone"):
        run.answer(ME, phase)
    assert run.boards[ME].state == before
    run.boards[ME] = SecureBoard.resumed(before, save=run.saver(ME))
    run.play(PHASES[PHASES.index(phase) :])
    assert is_the_plain_sum(run, set(run.parts))


@pytest.mark.parametrize("phase", PHASES)
def test_a_board_killed_for_good_drops_out(phase: str) -> None:
    run = Round(settings_for(4), 4)
    for now in PHASES:
        run.collect(now, {ME} if PHASES.index(now) >= PHASES.index(phase) else set())
        run.asked = run.server.end_phase()
    assert is_the_plain_sum(run, run.parts.keys() - ({ME} if phase != "unmask" else set()))


def test_a_board_that_masked_gives_the_same_bytes_for_any_other_vector() -> None:
    run = Round(settings_for(4), 4)
    run.play(PHASES[:2])
    board, message = run.boards[ME], run.asked[ME]
    first = board.mask(message, np.zeros(20), 1)
    assert board.mask(message, np.ones(20), 2) == first
    assert SecureBoard.resumed(run.saved[ME]).mask(message, np.ones(20), 2) == first


def test_a_board_that_masked_masks_for_no_other_set_of_boards() -> None:
    run = Round(settings_for(5), 5)
    run.play(PHASES[:2])
    board, message = run.boards[ME], run.asked[ME]
    board.mask(message, np.zeros(20), 1)
    found = cbor2.loads(message)
    found["boxes"].pop("board-4")
    for again in (board, SecureBoard.resumed(run.saved[ME])):
        with pytest.raises(MessageRefused, match="another message of the phase mask was answered"):
            again.mask(cbor2.dumps(found), np.ones(20), 1)


def test_the_state_is_saved_before_an_answer_is_known() -> None:
    run = Round(settings_for(4), 4)
    answers = []
    run.boards[ME] = SecureBoard(
        ME, run.settings, save=lambda state: answers.append(decode_state(state).answer)
    )
    run.play()
    assert answers == [run.answers[ME, phase] for phase in PHASES]


def test_no_secret_is_left_when_all_is_told() -> None:
    run = Round(settings_for(4), 4)
    run.play(PHASES[:3])
    kept = decode_state(run.saved[ME])
    run.play(PHASES[3:])
    for secret in (kept.seal_key, kept.mask_key, kept.seed, *kept.held.values()):
        assert secret in kept.answer or secret not in run.saved[ME]
    with pytest.raises(MessageRefused, match="nothing is due|is not due; nothing is"):
        run.boards[ME].share(b"any")


def test_two_boards_and_two_sessions_never_draw_the_same_secrets() -> None:
    chosen = settings_for(4)
    states = [decode_state(SecureBoard(name, chosen).state) for name in ("a", "a", "b")]
    drawn = {key for one in states for key in (one.seal_key, one.mask_key, one.seed)}
    assert len(drawn) == 9
    assert all(len(key) == 32 for key in drawn)


def test_a_round_of_which_too_many_boards_were_killed_gives_nothing() -> None:
    run = Round(settings_for(4), 4)
    with pytest.raises(RoundFailed, match="2 boards are left after the phase mask"):
        run.play(PHASES, {"mask": {"board-0", "board-1"}})
    with pytest.raises(InputError, match="the phase mask is not over"):
        run.server.result()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_state_is_refused_or_read_and_nothing_else(data: st.DataObject) -> None:
    state = _STATE
    place = data.draw(st.integers(0, len(state) - 1))
    flip = data.draw(st.integers(0, 255))
    mangled = state[:place] + (bytes([state[place] ^ flip]) + state[place + 1 :] if flip else b"")
    try:
        SecureBoard.resumed(mangled)
    except InputError as error:
        assert "\n" not in str(error)


def _state() -> bytes:
    run = Round(settings_for(3), 3)
    run.play(PHASES[:3])
    return run.saved[ME]


_STATE = _state()
