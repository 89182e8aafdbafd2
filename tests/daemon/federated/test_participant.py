"""A board's part in rounds, over a real broker, with a coordinator that follows a script."""

import pytest

from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from tests.daemon.federated.conftest import Boards, same
from tests.daemon.federated.coordinator import coordinating
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker


def test_a_board_trains_as_it_was_asked_and_sends_its_update(
    broker: PrivateBroker, boards: Boards, trainer: LocalTrainer, task: Task
) -> None:
    first = trainer.parameters
    with coordinating(broker) as coordinator, boards.board() as board:
        ready = coordinator.next_ready()
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
