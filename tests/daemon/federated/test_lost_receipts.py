"""A receipt that is lost takes nothing from a board: the next invitation says what counted."""

import pytest

from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.messages import Invite, decode, encode
from tests.daemon.federated.conftest import Boards
from tests.daemon.federated.coordinator import RUN
from tests.daemon.federated.test_participant import together
from tests.daemon.process import until
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
CODEC = "top-k:0.1+int8"


@pytest.mark.parametrize(("counted", "rounds"), [(1, 1), (None, 0), (7, 0)])
def test_an_invitation_that_says_what_counted_settles_the_round_before_it(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, counted: int | None, rounds: int
) -> None:
    step, files = step_digest(boards.step), RoundFiles(boards.state / "board")
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        coordinator.invite("board", model, codec=CODEC)
        coordinator.next_update(trainer.parameters)
        coordinator.invite("board", model, round=2, codec=CODEC, counted=counted)
        assert coordinator.next_update(trainer.parameters)[1] == (RUN, 2)
        assert board.rounds == rounds
        kept = files.kept(step)
        assert kept.after == ((RUN, 1) if rounds else None)
        assert (kept.residual is not None) is bool(rounds)


def test_a_round_counts_once_though_its_receipt_comes_after_all(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        first = coordinator.invite("board", model, codec=CODEC)
        coordinator.next_update(trainer.parameters)
        second = coordinator.invite("board", model, round=2, codec=CODEC, counted=1)
        coordinator.receipt("board", first, "counted")
        coordinator.next_update(trainer.parameters)
        coordinator.receipt("board", second, "counted")
        until(lambda: board.rounds == 2, "both receipts")


def test_a_board_that_may_not_take_part_again_settles_the_round_all_the_same(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer
) -> None:
    step, files = step_digest(boards.step), RoundFiles(boards.state / "board")
    with together(broker, boards) as (coordinator, board):
        model = coordinator.publish_model(trainer.parameters)
        coordinator.invite("board", model, codec=CODEC)
        coordinator.next_update(trainer.parameters)
        coordinator.invite("board", model, round=2, codec="nonsense", counted=1)
        coordinator.next_no()
        assert board.rounds == 1
        assert files.kept(step).after == (RUN, 1)


def test_an_invitation_of_before_says_nothing_of_it() -> None:
    invite = Invite(run=RUN, round=2, version=0, model=bytes(16), model_bytes=1, epochs=1, rate=0.1)
    assert b"counted" not in encode(invite)
    said = decode(encode(invite))
    assert isinstance(said, Invite)
    assert said.counted is None
