import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from edgekit.federated.clients import Clients
from edgekit.federated.personalisation import Personal
from edgekit.federated.simulation import Plan, personal_accuracy, simulate
from edgekit.federated.strategies import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedBuff,
    FedNova,
    FedProx,
    FedYogi,
    Krum,
    Median,
    NormClipping,
    Scaffold,
    Strategy,
    TrimmedMean,
)
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import LocalTrainer, Update
from edgekit.learning.federated.codecs import codec_of
from tests.federated.reference import NAMES, fedavg_accuracies

PLAN = Plan(rounds=20, epochs=2, rate=0.1)


def test_fedavg_follows_the_curve_of_plain_numpy_exactly(task: Task, trainer: LocalTrainer) -> None:
    first = [trainer.parameters[name] for name in NAMES]
    wanted = fedavg_accuracies(first, task.clients, 20)
    found = simulate(trainer, task.clients, FedAvg(), PLAN)
    assert [one.accuracy for one in found.rounds] == wanted
    assert [f"{wanted[number - 1]:.3f}" for number in (1, 5, 10, 15, 20)] == [
        "0.325",  # what NumPy, PyTorch and Flower's simulation give on this split
        "0.711",
        "0.894",
        "0.925",
        "0.944",
    ]


def test_the_same_arguments_give_the_same_bits(task: Task, trainer: LocalTrainer) -> None:
    plan = replace(PLAN, rounds=3, codec=codec_of("top-k:0.1+int8"), stragglers=0.5)
    first, second = (simulate(trainer, task.clients, FedAvg(share=0.5), plan) for _ in range(2))
    assert first.rounds == second.rounds
    for name, array in first.model.parameters.items():
        assert array.tobytes() == second.model.parameters[name].tobytes()


@pytest.mark.parametrize(
    ("codec", "most"),
    [("float32", 1.1), ("float16", 0.55), ("int8", 0.3), ("top-k:0.2+int4", 0.06)],
)
def test_fewer_bytes_come_to_the_same_accuracy_within_a_point(
    task: Task, trainer: LocalTrainer, codec: str, most: float
) -> None:
    plain = simulate(trainer, task.clients, FedAvg(), PLAN).rounds[-1]
    found = simulate(trainer, task.clients, FedAvg(), replace(PLAN, codec=codec_of(codec)))
    assert found.rounds[-1].bytes_up <= most * 10 * 2410 * 4
    assert found.rounds[-1].accuracy >= plain.accuracy - 0.01


@pytest.mark.parametrize(
    "strategy",
    [
        FedProx(mu=0.1),
        FedNova(),
        Scaffold(clients=10),
        FedAdam(rate=0.05),
        FedYogi(rate=0.05),
        FedAdagrad(),
        Median(),
        TrimmedMean(),
        Krum(keep=6),
        NormClipping(inner=FedAvg(), longest=1.0),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_every_strategy_learns_the_digits(
    task: Task, trainer: LocalTrainer, strategy: Strategy
) -> None:
    assert simulate(trainer, task.clients, strategy, PLAN).rounds[-1].accuracy > 0.85


def test_fedbuff_learns_from_stale_updates(task: Task, trainer: LocalTrainer) -> None:
    plan = replace(PLAN, rounds=30, staleness=3)
    strategy = FedBuff(least=5, share=0.5)
    assert simulate(trainer, task.clients, strategy, plan).rounds[-1].accuracy > 0.85


class _Attack:
    """Two of ten boards send something else."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __call__(self, update: Update) -> Update:
        if update.client not in ("client000002", "client000005"):
            return update
        factor = {"scaled": np.float32(-50), "nan": np.float32(np.nan)}[self._kind]
        return replace(update, change={n: factor * a for n, a in update.change.items()})


@pytest.mark.parametrize(
    "strategy",
    [
        Median(),
        TrimmedMean(trim=2),
        Krum(wrong=2, keep=4),
        NormClipping(inner=Median(), longest=1.0),
    ],
    ids=["median", "trimmed", "krum", "clipped"],
)
def test_two_boards_of_ten_that_send_what_they_like_do_not_spoil_it(
    trainer: LocalTrainer, strategy: Strategy
) -> None:
    clients = digits_task(10, "even", seed=0).clients
    found = simulate(trainer, clients, strategy, PLAN, on_the_way=_Attack("scaled"))
    assert found.rounds[-1].accuracy > 0.85


def test_the_same_attack_spoils_a_mean(trainer: LocalTrainer) -> None:
    clients = digits_task(10, "even", seed=0).clients
    plan = replace(PLAN, rounds=5)
    found = simulate(trainer, clients, FedAvg(), plan, on_the_way=_Attack("scaled"))
    assert found.rounds[-1].accuracy < 0.5


def test_nan_is_refused_and_named(task: Task, trainer: LocalTrainer) -> None:
    plan = replace(PLAN, rounds=1)
    found = simulate(trainer, task.clients, FedAvg(), plan, on_the_way=_Attack("nan")).rounds[0]
    assert set(found.refused) == {"client000002", "client000005"}
    assert "NaN" in found.refused["client000002"]
    assert found.updates == 8


def test_a_client_that_diverges_is_named_and_left_out(task: Task, trainer: LocalTrainer) -> None:
    pixels, classes = task.clients.arrays
    pixels = pixels.copy()
    pixels[task.clients.parts[4]] *= np.float32(1e30)
    clients = replace(task.clients, arrays=(pixels, classes))
    found = simulate(trainer, clients, FedAvg(), replace(PLAN, rounds=1)).rounds[0]
    assert set(found.refused) == {"client000004"}
    assert "diverged" in found.refused["client000004"]
    assert found.updates == 9


def test_long_updates_are_refused_where_a_limit_is_set(task: Task, trainer: LocalTrainer) -> None:
    plan = replace(PLAN, rounds=1, longest=5.0)
    found = simulate(trainer, task.clients, FedAvg(), plan, on_the_way=_Attack("scaled")).rounds[0]
    assert set(found.refused) == {"client000002", "client000005"}
    assert "norm" in found.refused["client000002"]


def test_a_head_of_ones_own_never_leaves_and_serves_its_client_better(
    trainer: LocalTrainer,
) -> None:
    whole = digits_task(10, "dirichlet:0.1", seed=0).clients
    parts = [part for part in whole.parts if len(part) >= 10]
    held = [part[::4] for part in parts]
    learned = [np.delete(part, np.s_[::4]) for part in parts]
    clients = Clients(whole.arrays, learned, whole.test)
    plan = replace(PLAN, rounds=10)
    shared = simulate(trainer, clients, FedAvg(), plan)
    personal = simulate(trainer, clients, FedAvg(), replace(plan, personal=Personal(["w1", "b1"])))
    assert set(personal.model.parameters) == {"w0", "b0"}
    assert set(personal.own[0]) == {"w1", "b1"}
    mine = personal_accuracy(trainer, clients, personal, held)
    assert mine > personal_accuracy(trainer, clients, shared, held)


def test_a_thousand_clients_are_simulated_and_stragglers_dropped(trainer: LocalTrainer) -> None:
    clients = digits_task(1000, "dirichlet:0.5", seed=0).clients
    plan = Plan(rounds=2, epochs=2, stragglers=0.25, drop_stragglers=True)
    found = simulate(trainer, clients, FedAvg(share=0.2), plan)
    assert [one.updates for one in found.rounds] == [150, 150]


def test_the_command_writes_a_report(tmp_path) -> None:
    code = "from edgekit.cli.federate import federate; federate()"
    options = ["--rounds=2", "--strategy=fedprox", "--set=mu=0.1", "--codec=int8"]
    done = subprocess.run(
        [sys.executable, "-c", code, "simulate", *options, "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert "accuracy" in done.stdout
    assert "<polyline" in (tmp_path / "out" / "report.html").read_text()
    assert '"FedProx(' in (tmp_path / "out" / "report.json").read_text()
