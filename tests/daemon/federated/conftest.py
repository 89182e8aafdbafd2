import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.config.federated import FederatedTable, PolicyTable
from edgekit.daemon.federated.participant import Board, Participant
from edgekit.daemon.federated.persistence import RoundFiles
from edgekit.daemon.federated.policy import Conditions
from edgekit.daemon.standing import status_of
from edgekit.federated import compile_federated_step
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.identity import step_digest
from edgekit.learning.federated.update import shapes_of
from edgekit.messaging.link import MqttLink
from edgekit.messaging.topics import Topics
from edgekit.train.losses import CrossEntropy
from tests.broker import settings_for
from tools.private_broker import PrivateBroker

EAGER = PolicyTable(max_busy=1.0, min_samples=1, mains=False, max_temperature_c=150.0)
"""A policy that the machine of a test never speaks against."""


class Given:
    """Samples in memory, as a board has them."""

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = tuple(arrays)
        self.classes: tuple[float, ...] | None = None

    def __len__(self) -> int:
        return len(self.arrays[0])

    def refresh(self) -> int:
        return len(self)

    def store(self) -> None:
        pass

    def samples(self) -> tuple[Array, ...]:
        return self.arrays

    def told_classes(self) -> tuple[float, ...] | None:
        return self.classes


@pytest.fixture(scope="session")
def task() -> Task:
    return digits_task(10, "dirichlet:0.5", seed=0)


@pytest.fixture(scope="session")
def step(task: Task, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compiled step of the digits, as a bundle's folder `train`."""
    folder = tmp_path_factory.mktemp("step")
    made = compile_federated_step(
        task.model, CrossEntropy(), rows=32, proximal=True, corrected=True
    )
    made.save(folder)
    return folder


@pytest.fixture(scope="session")
def trainer(step: Path) -> LocalTrainer:
    return LocalTrainer(step)


Starts = Callable[..., Participant]


class Boards:
    """Starts participants, each with a link of its own."""

    def __init__(self, step: Path, broker: PrivateBroker, state: Path, task: Task) -> None:
        self.step, self.state = step, state
        self._broker, self._task = broker, task
        self._turn = threading.Lock()
        self.conditions = Conditions(time(12), samples=0, rounds_today=0)

    @contextmanager
    def board(
        self,
        name: str = "board",
        *,
        samples: Sequence[Array] | None = None,
        boot: str = "b1",
        policy: PolicyTable = EAGER,
        step: str | None = None,
        link: Any = None,
        **table: Any,
    ) -> Iterator[Participant]:
        """A board that takes part."""
        data = Given(self._task.clients.samples(0) if samples is None else samples)
        topics = Topics("test", name)
        with ExitStack() as stack:
            if link is None:
                link = MqttLink(settings_for(self._broker), topics, status_of(boot, {}))
                stack.enter_context(link)
            participant = Participant(
                "digits",
                FederatedTable(pipeline="camera", policy=policy, **table),
                self.step,
                step=step or step_digest(self.step),
                shapes=shapes_of(LocalTrainer(self.step).parameters),
                data=data,
                files=RoundFiles(self.state / name),
                board=Board(link, topics, boot, lambda: self.conditions, self._turn),
            )
            stack.enter_context(participant)
            yield participant


@pytest.fixture
def boards(step: Path, broker: PrivateBroker, tmp_path: Path, task: Task) -> Boards:
    return Boards(step, broker, tmp_path / "state", task)


def same(one: Any, other: Any) -> bool:
    """Whether two sets of arrays are the same bits."""
    return one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)
