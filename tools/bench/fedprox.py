"""FedProx's Synthetic(1, 1) with 90 % stragglers: dropped, mu = 0 and mu = 1.

`python -m tools.bench.fedprox [--most SAMPLES] [--seeds N]` prints one row for each way, as mean
accuracy of the last 20 of 100 rounds. Li et al., 2020, arXiv:1812.06127, figure 1. It is

    edgekit federate simulate --task synthetic:1,1,1000 --clients 30 --share 0.3333 --rounds 100 \
        --epochs 20 --rows 10 --rate .01 --stragglers 0.9

with `--drop-stragglers`, with nothing, and with `--strategy fedprox --set mu=1`. With `--one-draw`
who is drawn in a round, and who of them is no straggler, follows from the round alone, whatever the
seed of the data, by NumPy's old generator: this is for comparison with a program that draws so, and
has the first row alone.
"""

import argparse
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgekit.federated import compile_federated_step
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedAvg, FedProx, Strategy
from edgekit.federated.tasks import synthetic_task
from edgekit.learning.federated import LocalTrainer
from edgekit.train.losses import CrossEntropy


@dataclass(frozen=True)
class Way:
    """What becomes of boards that come to a part of their epochs."""

    strategy: Strategy
    drops: bool


@dataclass(frozen=True, kw_only=True)
class OneDraw(FedAvg):
    """The one client of ten that comes to all of its epochs."""

    begun: list[int] = field(default_factory=list)

    def choose(self, online: Sequence[str], rng: random.Random) -> list[str]:
        generator = np.random.RandomState(len(self.begun))
        self.begun.append(1)
        drawn = generator.choice(len(online), 10, replace=False)
        return [sorted(online)[generator.choice(drawn, 1, replace=False)[0]]]


WAYS: Mapping[str, Way] = {
    "FedAvg, stragglers dropped": Way(FedAvg(share=1 / 3), drops=True),
    "what stragglers have, mu = 0": Way(FedAvg(share=1 / 3), drops=False),
    "what stragglers have, mu = 1": Way(FedProx(share=1 / 3, mu=1.0), drops=False),
}


def accuracy(way: Way, seed: int, most: int | None, rounds: int) -> float:
    """The mean over the last 20 rounds."""
    task = synthetic_task(30, 1, 1, seed, most=most)
    step = compile_federated_step(task.model, CrossEntropy(), rows=10, proximal=True)
    plan = Plan(
        rounds=rounds,
        epochs=20,
        rate=0.01,
        seed=seed,
        stragglers=0.0 if isinstance(way.strategy, OneDraw) else 0.9,
        drop_stragglers=way.drops,
    )
    with tempfile.TemporaryDirectory() as folder:
        step.save(Path(folder))
        found = simulate(LocalTrainer(Path(folder)), task.clients, way.strategy, plan)
    return float(np.mean([one.accuracy for one in found.rounds[-20:] if one.accuracy is not None]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1000, help="samples a client; 0 for any number")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--one-draw", action="store_true")
    given = parser.parse_args()
    print("| | each seed | mean |\n| --- | --- | --- |")
    for name in list(WAYS)[:1] if given.one_draw else WAYS:
        each = []
        for seed in range(given.seeds):
            way = Way(OneDraw(), drops=True) if given.one_draw else WAYS[name]
            each.append(accuracy(way, seed, given.most or None, given.rounds))
        row = " ".join(f"{one:.3f}" for one in each)
        print(f"| {name} | {row} | {np.mean(each):.3f} |", flush=True)


if __name__ == "__main__":
    main()
