"""A board's part in rounds, over a real broker, with a coordinator that follows a script."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.daemon.federated.participant import Participant
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.messages import Privacy, Want, encode
from edgekit.learning.federated.update import norm_of
from tests.daemon.federated.conftest import Boards, same
from tests.daemon.federated.coordinator import RUN, Coordinator, coordinating, name_of
from tests.daemon.process import until
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
LONG = 10_000
"""Epochs that take many seconds."""


def test_a_board_trains_as_it_was_asked_and_sends_its_update(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, task: Task
) -> None:
    first = trainer.parameters
    with together(broker, boards) as (coordinator, board):
        ready = coordinator.last_ready
        assert ready is not None
        assert (ready.willing, ready.samples) == (True, len(task.clients.parts[0]))
        model = coordinator.publish_model(first)
        invite = coordinator.invite("board", model, seed=7)
        device, answer = coordinator.next_answer()
        assert (device, answer.accepts) == ("board", True)
        update, round_id = coordinator.next_update(first)
        assert round_id == (invite.run, invite.round)
        alone = trainer.train("board", first, task.clients.samples(0), Guidance(2, 0.1), seed=7)
        assert alone is not None
        assert same(update.change, alone.change)
        coordinator.receipt("board", invite, "counted")
        second = coordinator.invite("board", model, round=2)
        assert coordinator.next_answer()[1].round == second.round
        assert board.rounds == 1


def test_a_board_that_its_policy_forbids_says_why_and_comes_back_when_it_may(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    boards.conditions = replace(boards.conditions, held_back=("under-voltage",))
    with coordinating(broker) as coordinator, boards.board():
        why = "the processor is held back: under-voltage"
        ready = coordinator.next_ready()
        assert (ready.willing, ready.why) == (False, why)
        coordinator.invite("board", coordinator.publish_model(trainer.parameters))
        answer = coordinator.next_answer()[1]
        assert (answer.accepts, answer.why) == (False, why)
        boards.conditions = replace(boards.conditions, held_back=())
        assert coordinator.next_ready(willing=True).why is None


def test_a_training_stops_when_the_policy_turns_against_it(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        coordinator.invite("board", model, epochs=LONG)
        assert coordinator.next_answer()[1].accepts
        until(lambda: board.state == "training", "a training")
        boards.conditions = replace(boards.conditions, waiting=50)
        answer = coordinator.next_answer()[1]
        assert (answer.accepts, answer.why) == (False, "more than 4 samples wait in its pipeline")
        until(lambda: board.state == "idle", "its end")
        assert board.outcome == "declined"
        boards.conditions = replace(boards.conditions, waiting=0)
        coordinator.invite("board", model, round=2)
        assert coordinator.next_update(trainer.parameters)[1] == (RUN, 2)


@pytest.mark.parametrize("state", ["void", "late"])
def test_a_training_stops_when_its_round_is_over(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, state: str
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        invite = coordinator.invite("board", model, epochs=LONG)
        until(lambda: board.state == "training", "a training")
        coordinator.receipt("board", invite, state)
        until(lambda: board.state == "idle", "its end")
        assert (board.outcome, board.rounds) == (state, 0)


def test_another_round_takes_the_place_of_one_that_is_trained(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        coordinator.invite("board", model, epochs=LONG)
        until(lambda: board.state == "training", "a training")
        coordinator.invite("board", model, round=2)
        assert coordinator.next_update(trainer.parameters)[1] == (RUN, 2)


def test_an_invitation_that_comes_twice_is_trained_once_and_its_update_sent_again(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        invite = coordinator.invite("board", model)
        update, _ = coordinator.next_update(trainer.parameters)
        coordinator.tell("board", encode(invite))
        again, _ = coordinator.next_update(trainer.parameters)
        assert same(update.change, again.change)
        coordinator.receipt("board", invite, "counted")
        until(lambda: board.rounds == 1, "the receipt")
        coordinator.tell("board", encode(invite))
        coordinator.invite("board", model, round=2)
        assert coordinator.next_update(trainer.parameters)[1] == (RUN, 2)


def test_chunks_that_are_wanted_are_sent_again(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, _):
        model = coordinator.publish_model(trainer.parameters)
        invite = coordinator.invite("board", model)
        message = coordinator.next_message(b"change")
        coordinator.heard_chunks.clear()
        want = Want(run=invite.run, round=invite.round, of=name_of(message), numbers=(2, 99))
        coordinator.tell("board", encode(want))
        until(lambda: len(coordinator.heard_chunks) == 1, "a chunk")
        assert coordinator.heard_chunks[0].number == 2


def test_a_broker_that_dies_before_the_receipt_gets_the_update_again(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        invite = coordinator.invite("board", model)
        update, _ = coordinator.next_update(trainer.parameters)
        broker.stop()
        broker.start()
        # Who is back first may be the board: then nobody hears it, and it is invited again.
        coordinator.invite("board", model)
        again, _ = coordinator.next_update(trainer.parameters)
        assert same(update.change, again.change)
        coordinator.receipt("board", invite, "counted")
        until(lambda: board.rounds == 1, "the receipt")


def test_a_broker_that_dies_during_the_download_is_no_end_of_the_round(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    first = trainer.parameters
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(first, leave_out=(1,))
        coordinator.invite("board", model)
        until(lambda: board.state == "downloading", "the download")
        broker.stop()
        broker.start()
        coordinator.publish_model(first)
        assert coordinator.next_update(first)[1] == (RUN, 1)


def test_what_error_feedback_left_over_moves_only_when_the_update_counts(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    step = step_digest(boards.step)
    files = RoundFiles(boards.state / "board")
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        for number, state in enumerate(["void", "refused", "late"], start=1):
            invite = coordinator.invite("board", model, round=number, codec="top-k:0.1+int8")
            coordinator.next_update(trainer.parameters)
            coordinator.receipt("board", invite, state, "so")
            until(lambda state=state: board.outcome == state, state)  # type: ignore[misc]
            assert files.kept(step).residual is None
        invite = coordinator.invite("board", model, round=4, codec="top-k:0.1+int8")
        update, _ = coordinator.next_update(trainer.parameters)
        coordinator.receipt("board", invite, "counted")
        until(lambda: board.outcome == "counted", "the receipt")
        residual = files.kept(step).residual
        assert residual is not None
        sent = np.concatenate([update.change[name].reshape(-1) for name in sorted(update.change)])
        assert np.abs(residual).sum() > 0
        assert not residual[np.abs(sent).argmax()] > np.abs(sent).max() / 100


def test_a_head_of_its_own_never_leaves_the_board_and_is_gone_on_with(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, task: Task
) -> None:
    first = trainer.parameters
    body = {name: first[name] for name in ("b0", "w0")}
    with together(broker, boards, personal=["*1"]) as (coordinator, board):
        whole = coordinator.publish_model(first)
        coordinator.invite("board", whole)
        answer = coordinator.next_answer()[1]
        assert answer.why == "b1 never leaves this board, and the job would have it sent"
        shared = coordinator.publish_model(body)
        invite = coordinator.invite("board", shared, round=2, personal=("*1",), seed=1)
        update, _ = coordinator.next_update(body)
        coordinator.receipt("board", invite, "counted")
        until(lambda: board.rounds == 1, "the receipt")
        coordinator.invite("board", shared, round=3, personal=("*1",), seed=1)
        second, _ = coordinator.next_update(body)
    samples = task.clients.samples(0)
    alone = trainer.train("board", first, samples, Guidance(2, 0.1), seed=1)
    assert alone is not None
    assert same(update.change, {name: alone.change[name] for name in body})
    own = first | {name: first[name] + alone.change[name] for name in ("b1", "w1")}
    again = trainer.train("board", own, samples, Guidance(2, 0.1), seed=1)
    assert again is not None
    assert same(second.change, {name: again.change[name] for name in body})


def test_control_variates_move_only_when_the_update_counts(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, task: Task
) -> None:
    first = trainer.parameters
    server = {name: np.full_like(array, 0.01) for name, array in first.items()}
    guidance, samples = Guidance(2, 0.1, control=server), task.clients.samples(0)
    alone = trainer.train("board", first, samples, guidance, seed=1)
    assert alone is not None
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(first, control=server)
        for number, state in enumerate(["void", "counted"], start=1):
            invite = coordinator.invite("board", model, round=number, seed=1)
            update, _ = coordinator.next_update(first)
            assert same(update.control, alone.control)
            coordinator.receipt("board", invite, state)
            until(lambda state=state: board.outcome == state, state)  # type: ignore[misc]
        coordinator.invite("board", model, round=3, seed=1)
        update, _ = coordinator.next_update(first)
    again = trainer.train("board", first, samples, guidance, seed=1, control=alone.control)
    assert again is not None
    assert same(update.control, again.control)


def test_a_change_is_clipped_and_noised_before_it_leaves(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    first = trainer.parameters
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(first)
        invite = coordinator.invite("board", model, privacy=Privacy(clip=0.01))
        update, _ = coordinator.next_update(first)
        assert norm_of(update.change) == pytest.approx(0.01, rel=1e-4)
        coordinator.receipt("board", invite, "counted")
        until(lambda: board.rounds == 1, "the receipt")
        noise = Privacy(clip=0.01, deviation=3.0)
        changes = []
        for number in (2, 3):
            invite = coordinator.invite("board", model, round=number, privacy=noise)
            changes.append(_flat(coordinator.next_update(first)[0].change))
            coordinator.receipt("board", invite, "counted")
        assert np.std(changes[0]) == pytest.approx(3.0, rel=0.1)
        assert abs(np.corrcoef(changes[0], changes[1])[0, 1]) < 0.2


def test_an_invitation_that_cannot_be_followed_is_answered_with_why(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    first = trainer.parameters
    with together(broker, boards) as (coordinator, board):
        whole = coordinator.publish_model(first)
        part = coordinator.publish_model({"w0": first["w0"]})
        cases: list[tuple[dict[str, Any], str]] = [
            ({"codec": "zip"}, "there is no codec 'zip'"),
            ({"model_bytes": 10**9}, "a model of 1000000000 bytes is none of this step's"),
            ({"personal": ("*",)}, "the job leaves nothing to be shared"),
            ({"version": 5}, "the model is version 0 of"),
            ({"secure": b"\x00"}, "not CBOR|CBOR of"),
        ]
        for number, (more, why) in enumerate(cases, start=1):
            coordinator.invite("board", whole, round=number, **more)
            assert coordinator.next_no().startswith(why) or _matches(why, coordinator.last_no)
        huge = coordinator.publish_model({n: a * np.float32(1e30) for n, a in first.items()})
        coordinator.invite("board", huge, round=89)
        assert coordinator.next_no().startswith("training diverged")
        coordinator.invite("board", part, round=90)
        assert "bytes are not" in coordinator.next_no()
        for junk in (b"", b"\xff", b"\x84" * 5, bytes(100)):
            coordinator.link.publish("edgekit/v1/test/board/fl/digits/down", junk or b"\x00")
        coordinator.invite("board", whole, round=91)
        assert coordinator.next_update(first)[1] == (RUN, 91)
        assert board.state == "delivering"


@contextmanager
def together(
    broker: PrivateBroker, boards: Boards, **table: Any
) -> Iterator[tuple[Coordinator, Participant]]:
    """A coordinator, and a board that has said that it is ready."""
    with coordinating(broker) as coordinator, boards.board(**table) as board:
        coordinator.next_ready()
        yield coordinator, board


def _matches(pattern: str, text: str) -> bool:
    return any(part in text for part in pattern.split("|"))


def _flat(arrays: Mapping[str, Array]) -> Array:
    return np.concatenate([arrays[name].reshape(-1) for name in sorted(arrays)])
