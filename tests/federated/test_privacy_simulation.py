import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli.federate import federate
from edgekit.errors import InputError
from edgekit.federated.privacy.asked import Asked, Protection
from edgekit.federated.simulation import Plan, Simulated, simulate
from edgekit.federated.tasks import Task, digits_task
from edgekit.learning.federated import LocalTrainer

pytest.importorskip("dp_accounting", reason="needs dp-accounting")

SHARE = 0.1


@pytest.fixture(scope="module")
def many() -> Task:
    return digits_task(200, "dirichlet:0.5", seed=0)


def run(trainer: LocalTrainer, many: Task, asked: Asked, rounds: int) -> Simulated:
    mechanism, budget = asked.settled(boards=200, share=SHARE, rounds=rounds)
    plan = Plan(rounds=rounds, epochs=3, rate=0.3, budget=budget)
    strategy = mechanism.strategy(SHARE, seed=0)
    protection = Protection(mechanism, 0)
    return simulate(trainer, many.clients, strategy, plan, on_the_way=protection)


def test_training_ends_before_the_budget_is_exceeded_and_keeps_its_model(
    trainer: LocalTrainer, many: Task
) -> None:
    asked = Asked(kind="central", longest=1.0, noise=0.8, epsilon=5.0, delta=1e-5)
    found = run(trainer, many, asked, 50)
    assert 1 < len(found.rounds) < 50
    assert found.model.version == len(found.rounds)
    epsilons = [one.epsilon for one in found.rounds]
    assert epsilons == sorted(epsilons)
    assert epsilons[-1] <= 5.0
    assert found.budget is not None
    assert found.budget.spent(len(found.rounds) + 1).least > 5.0
    assert f"{len(found.rounds)} rounds cost" in found.ended


def test_rounds_that_a_budget_was_planned_for_are_all_played(
    trainer: LocalTrainer, many: Task
) -> None:
    found = run(trainer, many, Asked(kind="central", longest=1.0, epsilon=3.0, delta=1e-5), 8)
    assert len(found.rounds) == 8
    assert found.ended == ""
    assert 2.9 < found.rounds[-1].epsilon <= 3.0


@pytest.mark.parametrize("kind", ["distributed", "local"])
def test_boards_that_are_known_to_take_part_retire_one_by_one(
    trainer: LocalTrainer, many: Task, kind: str
) -> None:
    asked = Asked(kind=kind, longest=1.0, noise=3.0, epsilon=3.0, delta=1e-5)
    found = run(trainer, many, asked, 40)
    assert found.budget is not None
    taken = found.budget.taken
    most = max(taken.values())
    assert found.budget.spent(most).least <= 3.0 < found.budget.spent(most + 1).least
    assert sum(taken.values()) == sum(one.chosen or 0 for one in found.rounds)
    assert "too few boards may take part again" in found.ended


def test_a_share_of_less_than_half_a_board_is_no_spent_budget(
    trainer: LocalTrainer, many: Task
) -> None:
    mechanism, budget = Asked(kind="central", longest=1.0, noise=1.0, sampling="fixed").settled(
        boards=200, share=0.002, rounds=2
    )
    plan = Plan(rounds=2, budget=budget)
    found = simulate(trainer, many.clients, mechanism.strategy(0.002, seed=0), plan)
    assert [one.chosen for one in found.rounds] == [1, 1]
    assert found.ended == ""


def test_private_rounds_learn(trainer: LocalTrainer, many: Task) -> None:
    asked = Asked(kind="central", longest=1.0, noise=0.5)
    found = run(trainer, many, asked, 15)
    assert found.rounds[-1].accuracy > 0.5
    assert np.isfinite(found.rounds[-1].epsilon)


def test_clients_tell_the_same_of_their_labels_each_round(
    trainer: LocalTrainer, many: Task
) -> None:
    from edgekit.federated.strategies import FedAvg

    plan = Plan(rounds=2, rate=0.0, label_epsilon=1.0)
    told = simulate(trainer, many.clients, FedAvg(), plan).rounds
    true = simulate(trainer, many.clients, FedAvg(), replace(plan, label_epsilon=None)).rounds
    assert told[0].label_skew == told[1].label_skew
    assert told[0].label_skew != true[0].label_skew


def command(*options: str) -> subprocess.CompletedProcess[str]:
    code = "from edgekit.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, "federate", *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_the_command_shows_epsilon_each_round_and_says_why_it_ended(tmp_path: Path) -> None:
    done = command(
        *("simulate", "--clients=100", "--share=0.1", "--rounds=30", "--dp=central"),
        *("--dp-noise=0.8", "--epsilon=3.5", "--delta=1e-5", "--out", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "epsilon PLD" in lines[0]
    assert any("the budget of epsilon 3.5" in line for line in lines)
    report = json.loads((tmp_path / "report.json").read_text())
    assert 1 <= len(report["rounds"]) < 30
    assert report["rounds"][-1]["epsilon_pld"] <= 3.5
    assert report["delta"] == 1e-5
    page = (tmp_path / "report.html").read_text()
    assert "the budget of epsilon 3.5" in page
    assert "epsilon at delta 1.0e-05" in page


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--epsilon=3"], "need --dp"),
        (["--dp=central"], "needs an epsilon"),
        (["--dp=local", "--epsilon=3", "--strategy=median"], "leave out --strategy"),
        (["--dp=distributed", "--epsilon=3", "--codec=int8"], "--codec float32"),
        (["--dp=distributed", "--epsilon=3", "--sharers=99"], "of 10 expected"),
    ],
)
def test_what_would_undo_privacy_is_refused(options: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        federate(["simulate", "--rounds=1", *options], standalone_mode=False)


def test_the_noise_of_a_budget_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--epsilon=4", "--delta=1e-5", "--rounds=5"]
    federate(["noise", *options, "--json"], standalone_mode=False)
    found = json.loads(capsys.readouterr().out)
    assert 3.9 < found["epsilon_pld"] <= 4
    federate(["noise", *options], standalone_mode=False)
    assert f"a noise multiplier of {found['noise']:.4f}" in capsys.readouterr().out
