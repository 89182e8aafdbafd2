"""Whole jobs over a real broker."""

from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.update import shapes_of
from tests.federated.coordinator.conftest import BOARDS, FLEET, JOB, Scene
from tests.federated.reference import NAMES, fedavg_accuracies
from tools.bench.federated_crowd import Crowd, Script, ScriptedBoard, random_training


def seed_as_the_reference(number: int, board: str) -> int:
    return 1000 * number + int(board[-6:])


def test_fedavg_over_the_broker_follows_the_curve_of_plain_numpy_exactly(scene: Scene) -> None:
    first = [scene.trainer.parameters[name] for name in NAMES]
    wanted = fedavg_accuracies(first, scene.task.clients, 5)
    with scene.crowd():
        served = scene.serve(count=5, seed_of=seed_as_the_reference)
    assert served.summary.state == "finished"
    assert [one.accuracy for one in served.summary.last] == wanted
    assert [one.updates for one in served.summary.last] == [len(BOARDS)] * 5
    assert all(one.label_skew and one.update_divergence for one in served.summary.last)


def test_boards_that_never_come_or_decline_block_no_round(scene: Scene) -> None:
    scripts = {
        BOARDS[0]: Script(accepts=None),
        BOARDS[1]: Script(accepts=False),
        BOARDS[2]: Script(delivers=False),
    }
    with scene.crowd(scripts):
        served = scene.serve(count=1, minimum=6, deadline_s=2.5, answer_s=0.5)
    assert [one.updates for one in served.summary.last] == [7]
    assert "did not answer to round 1" in scene.said(BOARDS[0])
    assert "declined round 1: on battery" in scene.said(BOARDS[1])


def test_two_hundred_boards_deliver_to_a_broker_as_it_comes(scene: Scene) -> None:
    boards = [ScriptedBoard(f"board{number}", 32) for number in range(200)]
    with Crowd(
        scene.broker.host,
        scene.broker.port,
        fleet=FLEET,
        job=JOB,
        step=step_digest(scene.bundle / "bundle" / "train"),
        boards=boards,
        train=random_training(),
        shapes=shapes_of(scene.trainer.parameters),
    ):
        served = scene.serve(count=2, minimum=200)
    assert [one.updates for one in served.summary.last] == [200, 200]
