import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import Task
from edgekit.learning.federated import Guidance, LocalTrainer
from edgekit.learning.learner import LearningDiverged
from edgekit.train.losses import CrossEntropy
from tests.federated.reference import NAMES, trained


def close(update_change, before, after) -> bool:
    return all(
        np.allclose(update_change[name], new - old, rtol=0, atol=2e-6)
        for name, old, new in zip(NAMES, before, after, strict=True)
    )


@pytest.mark.parametrize("client", [0, 3, 7])
def test_a_client_moves_as_the_same_training_by_hand(
    task: Task, trainer: LocalTrainer, client: int
) -> None:
    x, y = task.clients.samples(client)
    first = [trainer.parameters[name] for name in NAMES]
    after, steps = trained(first, x, y, 5)
    update = trainer.train("a", trainer.parameters, (x, y), Guidance(2, 0.1), seed=5)
    assert update is not None
    assert (update.steps, update.samples) == (steps, len(y))
    assert close(update.change, first, after)


def test_fewer_samples_than_a_batch_are_learned_from(task: Task, trainer: LocalTrainer) -> None:
    x, y = (array[:5] for array in task.clients.samples(0))
    first = [trainer.parameters[name] for name in NAMES]
    update = trainer.train("a", trainer.parameters, (x, y), Guidance(1, 0.1), seed=0)
    assert update is not None
    assert close(update.change, first, trained(first, x, y, 0, epochs=1)[0])


def test_the_proximal_term_pulls_as_the_paper_says(task: Task, trainer: LocalTrainer) -> None:
    x, y = task.clients.samples(1)
    first = [trainer.parameters[name] for name in NAMES]
    guidance = Guidance(3, 0.1, proximal=0.5)
    update = trainer.train("a", trainer.parameters, (x, y), guidance, seed=2)
    assert update is not None
    assert close(update.change, first, trained(first, x, y, 2, epochs=3, mu=0.5)[0])


def test_scaffold_adds_the_servers_and_takes_the_clients_control(
    task: Task, trainer: LocalTrainer
) -> None:
    x, y = task.clients.samples(1)
    first = [trainer.parameters[name] for name in NAMES]
    rng = np.random.default_rng(0)
    server = {
        n: rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in trainer.parameters.items()
    }
    own = {n: rng.normal(0, 0.1, a.shape).astype(np.float32) for n, a in trainer.parameters.items()}
    update = trainer.train(
        "a", trainer.parameters, (x, y), Guidance(2, 0.1, control=server), seed=2, control=own
    )
    assert update is not None
    correction = [server[name] - own[name] for name in NAMES]
    after, steps = trained(first, x, y, 2, correction=correction)
    assert close(update.change, first, after)
    for name, old, new in zip(NAMES, first, after, strict=True):
        fresh = own[name] - server[name] + (old - new) / (steps * 0.1)
        assert np.allclose(own[name] + update.control[name], fresh, atol=1e-5)


def test_what_one_client_was_told_does_not_stay_for_the_next(
    task: Task, trainer: LocalTrainer
) -> None:
    samples, plain = task.clients.samples(0), Guidance(2, 0.1)
    before = trainer.train("a", trainer.parameters, samples, plain, seed=0)
    control = {name: np.ones_like(array) for name, array in trainer.parameters.items()}
    steered = Guidance(1, 0.1, proximal=0.9, control=control)
    for client in range(2):
        trainer.train("b", trainer.parameters, task.clients.samples(client), steered, seed=1)
    after = trainer.train("a", trainer.parameters, samples, plain, seed=0)
    assert before is not None
    assert after is not None
    assert all(np.array_equal(before.change[name], after.change[name]) for name in NAMES)


def test_a_step_that_was_compiled_for_nothing_else_refuses_to_be_steered(
    task: Task, tmp_path
) -> None:
    compile_federated_step(task.model, CrossEntropy(), rows=8).save(tmp_path)
    plain = LocalTrainer(tmp_path)
    with pytest.raises(InputError, match="no proximal; compile it"):
        plain.train(
            "a", plain.parameters, task.clients.samples(0), Guidance(1, 0.1, proximal=1.0), seed=0
        )


def test_a_training_that_is_stopped_gives_no_update(task: Task, trainer: LocalTrainer) -> None:
    answers = iter([False, False, True])
    update = trainer.train(
        "a",
        trainer.parameters,
        task.clients.samples(0),
        Guidance(5, 0.1),
        seed=0,
        should_stop=lambda: next(answers),
    )
    assert update is None


def test_a_rate_that_is_far_too_high_is_told(task: Task, trainer: LocalTrainer) -> None:
    with pytest.raises(LearningDiverged):
        trainer.train("a", trainer.parameters, task.clients.samples(0), Guidance(5, 1e30), seed=0)


def test_parameters_of_another_model_are_refused(task: Task, trainer: LocalTrainer) -> None:
    wrong = trainer.parameters | {"w0": np.zeros((2, 2), np.float32)}
    with pytest.raises(InputError, match="not those of the step"):
        trainer.train("a", wrong, task.clients.samples(0), Guidance(), seed=0)
