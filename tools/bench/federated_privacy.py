"""Accuracy against epsilon on digits with many clients, and label skew by randomised answers.

`python -m tools.bench.federated_privacy [--svg FILE]`: a table, and a figure on request. Clients
share the samples of scikit-learn's digits: each has 32, drawn by its own classes' shares.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgekit.federated import compile_federated_step
from edgekit.federated.curves import Line, chart
from edgekit.federated.measures import label_skew
from edgekit.federated.privacy.asked import Asked, Protection
from edgekit.federated.privacy.mechanisms import Kind
from edgekit.federated.report import Round
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import FedAvg
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import LocalTrainer
from edgekit.learning.federated.privacy import counts_before, private_counts
from edgekit.train.losses import CrossEntropy

EPSILONS = (0.5, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Setting:
    """What all runs have in common."""

    clients: int
    share: float
    rounds: int
    seeds: int
    clip: float
    epochs: int
    rate: float
    delta: float


@dataclass(frozen=True)
class Row:
    """Runs that differ by seed alone: accuracy is the mean over the last ten rounds."""

    kind: str
    epsilon: float | None
    noise: float
    spent: float
    accuracies: tuple[float, ...]

    def text(self) -> str:
        asked = "-" if self.epsilon is None else f"{self.epsilon:g}"
        spent = "-" if not np.isfinite(self.spent) else f"{self.spent:.2f}"
        mean, deviation = np.mean(self.accuracies), np.std(self.accuracies, ddof=1)
        each = " ".join(f"{one:.3f}" for one in self.accuracies)
        cells = [
            self.kind,
            asked,
            spent,
            f"{self.noise:.3f}",
            f"{mean:.3f} ± {deviation:.3f}",
            each,
        ]
        return f"| {' | '.join(cells)} |"


def measured(setting: Setting) -> Iterator[Row]:
    """Rows as they are there."""
    plan = Plan(rounds=setting.rounds, epochs=setting.epochs, rate=setting.rate)
    with tempfile.TemporaryDirectory() as name:
        tasks = [digits_task(setting.clients, "dirichlet:0.5", s) for s in range(setting.seeds)]
        trainers = []
        for seed, task in enumerate(tasks):
            folder = Path(name, str(seed))
            compile_federated_step(task.model, CrossEntropy(), rows=32).save(folder)
            trainers.append(LocalTrainer(folder))
        runs = list(zip(tasks, trainers, strict=True))
        plain = [
            _accuracy(simulate(trainer, task.clients, FedAvg(share=setting.share), p).rounds)
            for (task, trainer), p in ((run, replace(plan, seed=s)) for s, run in enumerate(runs))
        ]
        yield Row("FedAvg", None, 0.0, np.inf, tuple(plain))
        yield _private("central", None, setting, runs, plan)
        for epsilon in EPSILONS:
            yield _private("central", epsilon, setting, runs, plan)
        for kind in ("distributed", "local"):
            yield _private(kind, EPSILONS[-1], setting, runs, plan)


def _private(
    kind: Kind,
    epsilon: float | None,
    setting: Setting,
    runs: Sequence[tuple[Task, LocalTrainer]],
    plan: Plan,
) -> Row:
    asked = Asked(
        kind=kind,
        longest=setting.clip,
        epsilon=epsilon,
        noise=0.0 if epsilon is None else None,
        delta=setting.delta,
    )
    mechanism, budget = asked.settled(
        boards=setting.clients, share=setting.share, rounds=setting.rounds
    )
    accuracies, spent = [], 0.0
    for seed, (task, trainer) in enumerate(runs):
        found = simulate(
            trainer,
            task.clients,
            mechanism.strategy(setting.share, seed=seed),
            replace(plan, seed=seed, budget=budget),
            on_the_way=Protection(mechanism, seed),
        )
        accuracies.append(_accuracy(found.rounds))
        spent = max(spent, found.rounds[-1].epsilon or 0.0)
    return Row(kind, epsilon, mechanism.noise, spent, tuple(accuracies))


def _accuracy(rounds: Sequence[Round]) -> float:
    last = [one.accuracy for one in rounds[-10:] if one.accuracy is not None]
    return float(np.mean(last))


def skews(clients: int, epsilons: Sequence[float]) -> list[tuple[float, float, float]]:
    """For each epsilon: label skew of all clients, as it is and from randomised answers."""
    task = digits_task(clients, "dirichlet:0.5", 0).clients
    true = np.stack([task.label_counts(number, 10) for number in range(clients)])
    rng = np.random.default_rng(0)
    found = []
    for epsilon in epsilons:
        told = np.stack(
            [private_counts(task.samples(n)[-1], 10, epsilon, rng) for n in range(clients)]
        )
        guessed = np.maximum(counts_before(told, epsilon), 0)
        found.append((epsilon, label_skew(true), label_skew(guessed)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=0.3)
    parser.add_argument("--delta", type=float, default=1e-5)
    parser.add_argument("--svg", type=Path)
    given = vars(parser.parse_args())
    svg: Path | None = given.pop("svg")
    rows = []
    print("| noise by | epsilon asked | spent | z | accuracy | each seed |")
    print("| --- | --- | --- | --- | --- | --- |")
    for row in measured(Setting(**given)):
        rows.append(row)
        print(row.text(), flush=True)
    print("\n| boards | epsilon of a label | label skew | by randomised answers |")
    print("| --- | --- | --- | --- |")
    for boards in (1000, 20):
        for epsilon, true, told in skews(boards, (1.0, 2.0, 4.0, 8.0)):
            print(f"| {boards} | {epsilon:g} | {true:.3f} | {told:.3f} |")
    if svg is not None:
        svg.write_text(figure(rows), encoding="utf-8")


def figure(rows: Sequence[Row]) -> str:
    """Accuracy of central noise against epsilon, with what is reached without noise."""
    central = [row for row in rows if row.kind == "central" and row.epsilon is not None]
    without = next(row for row in rows if row.kind == "central" and row.epsilon is None)
    level = float(np.mean(without.accuracies))
    return chart(
        [
            Line(
                "central noise, ± one deviation over seeds",
                [(row.spent, float(np.mean(row.accuracies))) for row in central],
                spread=[float(np.std(row.accuracies, ddof=1)) for row in central],
            ),
            Line("clipped, without noise", [(r.spent, level) for r in central], dashed=True),
        ],
        x="epsilon",
        y="accuracy",
    )


if __name__ == "__main__":
    main()
