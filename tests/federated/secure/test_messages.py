"""Whatever is wrong with a message, it is refused, and its sender named."""

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.federated.secure import SecureServer
from edgekit.learning.federated.secure import PHASES, MessageRefused, SecureBoard
from tests.federated.secure.cohorts import Round, settings_for

LOW_ORDER = [
    bytes(32),
    bytes([1]) + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]


def changed(message: bytes, **fields: object) -> bytes:
    return cbor2.dumps(cbor2.loads(message) | fields)


def before(phase: str, boards: int = 4, silent: str | None = None) -> Round:
    """A round in which only one board's answer to a phase is missing."""
    run = Round(settings_for(boards), boards)
    run.play(PHASES[: PHASES.index(phase)])
    run.collect(phase, {silent} if silent else set())
    return run


def refused(run: Round, phase: str, message: bytes, match: str, board: str = "board-0") -> None:
    with pytest.raises(MessageRefused, match=match) as error:
        run.server.add(phase, board, message)
    assert error.value.sender == board
    assert str(error.value).startswith(f"secure aggregation: a message of {board} is refused: ")
    assert "\n" not in str(error.value)
    assert run.server.refused[board] == error.value.why


@pytest.mark.parametrize("phase", PHASES)
def test_a_refused_message_leaves_the_way_open_for_the_right_one(phase: str) -> None:
    run = before(phase, silent="board-0")
    good = run.answer("board-0", phase)
    refused(run, phase, good[:-1], "CBOR")
    refused(run, phase, good + b"\0", "CBOR|bytes")
    refused(run, phase, changed(good, more=1), "unknown field|contains")
    refused(run, phase, changed(good, session=b"another session."), "an old one is sent again")
    refused(run, phase, changed(good, board="board-1"), "it names board-1, not board-0")
    refused(run, phase, changed(good, say="other"), "it says 'other' where")
    refused(run, phase, b"", "CBOR")
    run.server.add(phase, "board-0", good)
    run.server.add(phase, "board-0", good)
    assert not run.server.waiting
    assert not run.server.refused
    run.asked = run.server.end_phase()
    run.play(PHASES[PHASES.index(phase) + 1 :])
    assert len(run.server.result().boards) == 4


@pytest.mark.parametrize("phase", PHASES)
def test_a_second_message_of_a_phase_is_refused(phase: str) -> None:
    run = before(phase)
    other = Round(run.settings, 4)
    other.play(PHASES[: PHASES.index(phase)])
    refused(run, phase, other.answer("board-0", phase), f"another message of the phase {phase}")


@pytest.mark.parametrize("phase", PHASES)
def test_a_message_that_comes_early_or_late_is_refused(phase: str) -> None:
    run = Round(settings_for(4), 4)
    for now in PHASES:
        run.collect(now)
        if now != phase:
            refused(run, phase, b"any", f"it is of the phase '{phase}', {now} is due")
        run.asked = run.server.end_phase()
    refused(run, phase, run.answers["board-0", phase], "all is done")


def test_a_board_that_is_out_stays_out() -> None:
    run = Round(settings_for(4), 4)
    run.play(("advertise",), {"advertise": {"board-3"}})
    refused(run, "share", b"any", "takes no part in the phase share", "board-3")


def test_boards_beyond_those_invited_or_counted_are_refused() -> None:
    run = Round(settings_for(4), 4)
    stranger = SecureBoard("stranger", run.settings).advertise()
    refused(run, "advertise", stranger, "not invited", "stranger")
    server = SecureServer(run.settings)
    for name in run.boards:
        server.add("advertise", name, run.answer(name, "advertise"))
    with pytest.raises(MessageRefused, match="4 boards take part already"):
        server.add("advertise", "stranger", stranger)


@pytest.mark.parametrize("point", LOW_ORDER)
@pytest.mark.parametrize("which", ["seal_key", "mask_key"])
def test_points_of_low_order_are_refused(which: str, point: bytes) -> None:
    run = before("advertise", silent="board-0")
    message = changed(run.answer("board-0", "advertise"), **{which: point})
    refused(run, "advertise", message, "no good point of X25519")


def test_keys_of_another_board_are_refused() -> None:
    run = before("advertise", silent="board-0")
    taken = cbor2.loads(run.answers["board-1", "advertise"])["mask_key"]
    message = changed(run.answer("board-0", "advertise"), mask_key=taken)
    refused(run, "advertise", message, "keys are not all its own")


@pytest.mark.parametrize("wrong", [bytes(31), bytes(33), b"", "text", 7, None])
def test_a_key_that_is_not_32_bytes_is_refused(wrong: object) -> None:
    run = before("advertise", silent="board-0")
    message = changed(run.answer("board-0", "advertise"), seal_key=wrong)
    refused(run, "advertise", message, "seal_key")


def test_boxes_of_another_length_or_for_others_than_neighbours_are_refused() -> None:
    run = before("share", silent="board-0")
    message = run.answer("board-0", "share")
    boxes = cbor2.loads(message)["boxes"]
    for wrong in (boxes["board-1"][:-1], boxes["board-1"] + b"\0", b""):
        refused(run, "share", changed(message, boxes=boxes | {"board-1": wrong}), "length")
    fewer = {name: box for name, box in boxes.items() if name != "board-1"}
    refused(run, "share", changed(message, boxes=fewer), "not for its neighbours")
    more = boxes | {"board-0": boxes["board-1"]}
    refused(run, "share", changed(message, boxes=more), "not for its neighbours")
    refused(run, "share", changed(message, boxes={7: b""}), "boxes")


def test_a_vector_of_another_length_is_refused() -> None:
    run = before("mask", silent="board-0")
    message = run.answer("board-0", "mask")
    words = cbor2.loads(message)["words"]
    for wrong in (words[:-4], words + bytes(4), words[:-1], b""):
        refused(run, "mask", changed(message, words=wrong), f"a vector of {len(wrong)} bytes")


def test_shares_that_were_not_asked_for_are_refused() -> None:
    run = Round(settings_for(5), 5)
    run.play(PHASES[:3], {"mask": {"board-4"}})
    message = run.answer("board-0", "unmask")
    told = cbor2.loads(message)
    seeds, keys = told["seeds"], told["keys"]
    share = seeds["board-1"]
    why = "not of the boards that it was asked about"
    for fields in (
        {"keys": keys | {"board-1": share}},
        {"keys": {}},
        {"seeds": seeds | {"board-4": share}},
        {"seeds": {n: s for n, s in seeds.items() if n != "board-0"}},
        {"seeds": seeds | {"nobody": share}},
        {"unreadable": ["board-1"]},
    ):
        refused(run, "unmask", changed(message, **fields), why)
    for wrong in (share[:-1], share + b"\0"):
        refused(run, "unmask", changed(message, seeds=seeds | {"board-1": wrong}), "length")


# What a board refuses of the coordinator.


def refused_by_board(run: Round, phase: str, message: bytes, match: str, who: str) -> None:
    board = run.boards["board-0"]
    state = board.state
    run.asked["board-0"] = message
    with pytest.raises(MessageRefused, match=match) as error:
        run.answer("board-0", phase)
    assert error.value.sender == who
    assert board.state == state


def played_to(phase: str, boards: int = 5, **silent: set[str]) -> tuple[Round, bytes]:
    run = Round(settings_for(boards), boards)
    run.play(PHASES[: PHASES.index(phase)], silent)
    return run, run.asked["board-0"]


@pytest.mark.parametrize("phase", PHASES[1:])
def test_a_board_refuses_what_is_not_for_it_now(phase: str) -> None:
    run, message = played_to(phase)
    for wrong, match in (
        (b"", "CBOR"),
        (message[:-1], "CBOR"),
        (changed(message, session=b"another session."), "another session"),
        (changed(message, board="board-1"), "it names board-1, not board-0"),
        (changed(message, say="advertise"), "it says 'advertise' where"),
        (changed(message, more=1), "unknown field"),
    ):
        refused_by_board(run, phase, wrong, match, "the coordinator")
    run.asked["board-0"] = message
    assert run.answer("board-0", phase)


def test_a_board_answers_phases_in_their_order_only() -> None:
    for last in ("", *PHASES):
        run = Round(settings_for(4), 4)
        run.play(PHASES[: PHASES.index(last) + 1] if last else ())
        due = [*PHASES, "nothing"][PHASES.index(last) + 1 if last else 0]
        run.asked["board-0"] = b"any"
        for phase in PHASES:
            if phase not in (last, due):
                with pytest.raises(MessageRefused, match=f"{phase} is not due; {due} is"):
                    run.answer("board-0", phase)


def test_a_board_refuses_neighbours_that_are_not_safe() -> None:
    run, message = played_to("share")
    keys = cbor2.loads(message)["keys"]
    mine = cbor2.loads(run.answers["board-0", "advertise"])
    me, low = mine["seal_key"] + mine["mask_key"], keys["board-1"][32:]
    for wrong, match in (
        ({}, "1 boards are fewer than 4"),
        ({name: keys[name] for name in ("board-1", "board-2")}, "3 boards are fewer than 4"),
        (keys | {"board-0": keys["board-1"]}, "no neighbour of itself"),
        (keys | {"board-9": bytes(range(64))}, "5 neighbours are more than 4"),
        (keys | {"board-1": keys["board-2"]}, "two public keys are the same"),
        (keys | {"board-1": me}, "two public keys are the same"),
        (keys | {"board-1": low + low}, "two public keys are the same"),
        (keys | {"board-1": keys["board-1"][:-1]}, "length"),
    ):
        refused_by_board(run, "share", changed(message, keys=wrong), match, "the coordinator")
    low_seal = keys | {"board-1": bytes(32) + keys["board-1"][32:]}
    refused_by_board(run, "share", changed(message, keys=low_seal), "no good point", "board-1")


def test_a_board_never_masks_with_a_point_of_low_order() -> None:
    run, message = played_to("share")
    keys = cbor2.loads(message)["keys"]
    run.asked["board-0"] = changed(
        message, keys=keys | {"board-1": keys["board-1"][:32] + bytes(32)}
    )
    run.collect("share")
    run.asked = run.server.end_phase()
    refused_by_board(run, "mask", run.asked["board-0"], "no good point", "board-1")


def test_a_board_refuses_boxes_of_strangers_or_of_too_few() -> None:
    run, message = played_to("mask")
    boxes = cbor2.loads(message)["boxes"]
    box = boxes["board-1"]
    for wrong, match in (
        (boxes | {"stranger": box}, "stranger is no neighbour"),
        ({"board-1": box}, "2 boards are fewer than 4"),
        (boxes | {"board-1": box[:-1]}, "length"),
    ):
        refused_by_board(run, "mask", changed(message, boxes=wrong), match, "the coordinator")


def test_a_board_never_tells_both_secrets_of_a_neighbour() -> None:
    run, message = played_to("unmask", 7, mask={"board-6"})
    asked = cbor2.loads(message)
    alive, dropped = asked["alive"], asked["dropped"]
    assert dropped == ["board-6"]
    both = changed(message, dropped=[*dropped, "board-1"])
    refused_by_board(run, "unmask", both, "names a board twice", "the coordinator")
    twice = changed(message, dropped=dropped * 2)
    refused_by_board(run, "unmask", twice, "names a board twice", "the coordinator")
    for some in ({"alive": alive[1:]}, {"alive": [*alive, "board-9"]}, {"dropped": []}):
        message_now = changed(message, **some)
        refused_by_board(run, "unmask", message_now, "does not name the boards", "the coordinator")
    run.asked["board-0"] = message
    told = cbor2.loads(run.answer("board-0", "unmask"))
    assert told["seeds"].keys() == {*alive, "board-0"}
    assert told["keys"].keys() == {"board-6"}
    moved = changed(message, alive=alive[1:], dropped=[alive[0], *dropped])
    refused_by_board(run, "unmask", moved, "another message of the phase", "the coordinator")


def test_a_board_opens_nothing_where_too_few_are_said_to_be_alive() -> None:
    run, message = played_to("unmask")
    asked = cbor2.loads(message)
    few = changed(message, alive=asked["alive"][:2], dropped=asked["alive"][2:])
    refused_by_board(run, "unmask", few, "3 boards are fewer than 4", "the coordinator")


@pytest.mark.parametrize(
    ("vector", "samples", "match"),
    [
        (np.zeros(19), 1, r"a vector \[19\] is not \[20\]"),
        (np.zeros((20, 1)), 1, r"is not \[20\]"),
        (np.full(20, np.nan), 1, "NaN or infinity"),
        (np.full(20, np.inf), 1, "NaN or infinity"),
        (np.zeros(20), 0, "0 samples are not in 1..50"),
        (np.zeros(20), 51, "51 samples are not in 1..50"),
    ],
)
def test_a_board_refuses_its_own_wrong_vector_and_may_mask_a_right_one(
    vector: np.ndarray, samples: int, match: str
) -> None:
    run, message = played_to("mask")
    board = run.boards["board-0"]
    with pytest.raises(InputError, match=match):
        board.mask(message, vector, samples)
    assert board.phase == "share"
    assert board.mask(message, np.zeros(20), 1)


# Fuzz.

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=70) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def mangled(draw, message: bytes) -> bytes:
    kind = draw(st.sampled_from(["bytes", "flip", "cut", "field", "junk"]))
    if kind == "bytes":
        return draw(st.binary(max_size=200))
    if kind == "junk":
        return cbor2.dumps(draw(JUNK))
    if kind == "field":
        found = cbor2.loads(message)
        return cbor2.dumps(found | {draw(st.sampled_from(sorted(found))): draw(JUNK)})
    place = draw(st.integers(0, len(message) - 1))
    if kind == "cut":
        return message[:place]
    return (
        message[:place] + bytes([message[place] ^ draw(st.integers(1, 255))]) + message[place + 1 :]
    )


@pytest.mark.parametrize("phase", PHASES)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mangled_messages_are_refused_or_taken_by_the_coordinator_and_nothing_else(
    phase: str, data: st.DataObject
) -> None:
    run, good = _READY[phase]
    server = _copy(run, phase)
    message = data.draw(mangled(good))
    try:
        server.add(phase, "board-0", message)
    except MessageRefused as error:
        assert error.sender == "board-0"
        server.add(phase, "board-0", good)


@pytest.mark.parametrize("phase", PHASES[1:])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_mangled_messages_are_refused_or_answered_by_a_board_and_nothing_else(
    phase: str, data: st.DataObject
) -> None:
    run, _ = _READY[phase]
    board = SecureBoard.resumed(run.saved["board-0"])
    message = data.draw(mangled(run.asked["board-0"]))
    try:
        if phase == "mask":
            board.mask(message, *run.parts["board-0"])
        elif phase == "share":
            board.share(message)
        else:
            board.unmask(message)
    except MessageRefused:
        assert board.state == run.saved["board-0"]


def _ready(phase: str) -> tuple[Round, bytes]:
    """A round in which board-0 has not answered yet, and what it would answer."""
    run = Round(settings_for(4), 4)
    run.play(PHASES[: PHASES.index(phase)])
    saved = dict(run.saved)
    good = run.answer("board-0", phase)
    run.saved = saved
    return run, good


def _copy(run: Round, phase: str) -> SecureServer:
    """A server that has seen all but the last phase."""
    again = Round(run.settings, 4)
    for now in PHASES[: PHASES.index(phase)]:
        for name in run.boards:
            again.server.add(now, name, run.answers[name, now])
        again.server.end_phase()
    return again.server


_READY = {phase: _ready(phase) for phase in PHASES}
