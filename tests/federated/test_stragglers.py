"""FedProx's experiment: nine of ten boards of a round come to a part of their epochs only."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.federated import compile_federated_step
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedProx
from edgekit.federated.tasks import synthetic_task
from edgekit.learning.federated import LocalTrainer
from edgekit.train.losses import CrossEntropy


def test_a_part_of_the_work_is_better_than_none(tmp_path: Path) -> None:
    task = synthetic_task(30, 1, 1, seed=0, most=150)
    step = compile_federated_step(task.model, CrossEntropy(), rows=10, proximal=True)
    step.save(tmp_path)
    trainer, strategy = LocalTrainer(tmp_path), FedProx(share=1 / 3, mu=1.0)
    partial = Plan(rounds=12, epochs=20, rate=0.01, stragglers=0.9)
    accuracies = [
        np.mean([one.accuracy for one in simulate(trainer, task.clients, strategy, plan).rounds])
        for plan in (replace(partial, drop_stragglers=True), partial)
    ]
    assert accuracies[0] + 0.1 < accuracies[1]
