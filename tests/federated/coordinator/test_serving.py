"""Whole jobs over a real broker."""

from tests.federated.coordinator.conftest import BOARDS, Scene
from tests.federated.reference import NAMES, fedavg_accuracies


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
