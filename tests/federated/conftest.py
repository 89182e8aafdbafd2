import pytest

from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import LocalTrainer
from edgekit.train.losses import CrossEntropy


@pytest.fixture(scope="session")
def task() -> Task:
    return digits_task(10, "dirichlet:0.5", seed=0)


@pytest.fixture(scope="session")
def trainer(task: Task, tmp_path_factory: pytest.TempPathFactory) -> LocalTrainer:
    folder = tmp_path_factory.mktemp("federated")
    step = compile_federated_step(
        task.model, CrossEntropy(), rows=32, proximal=True, corrected=True
    )
    step.save(folder)
    return LocalTrainer(folder)
