"""FedProx's experiment: nine of ten boards of a round come to a part of their epochs only."""

from pathlib import Path

import numpy as np

from edgekit.federated import compile_federated_step
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedAvg, FedProx, Strategy
from edgekit.federated.tasks import synthetic_task
from edgekit.learning.federated import LocalTrainer
from edgekit.train.losses import CrossEntropy

SHARE = 1 / 3


def test_partial_work_is_better_than_none_and_better_still_when_drawn_back(tmp_path: Path) -> None:
    task = synthetic_task(30, 1, 1, seed=0, most=100)
    step = compile_federated_step(task.model, CrossEntropy(), rows=10, proximal=True)
    step.save(tmp_path)
    trainer = LocalTrainer(tmp_path)

    def loss(strategy: Strategy, *, drop: bool) -> float:
        plan = Plan(rounds=20, epochs=20, rate=0.01, stragglers=0.9, drop_stragglers=drop)
        rounds = simulate(trainer, task.clients, strategy, plan).rounds
        return float(np.mean([one.loss for one in rounds[-10:]]))

    dropped = loss(FedAvg(share=SHARE), drop=True)
    partial = loss(FedAvg(share=SHARE), drop=False)
    drawn = loss(FedProx(share=SHARE, mu=1.0), drop=False)
    assert dropped > partial > drawn
