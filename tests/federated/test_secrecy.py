from dataclasses import replace

import numpy as np
import pytest

from edgekit.cli.federate import federate
from edgekit.errors import InputError
from edgekit.federated import RoundFailed
from edgekit.federated.privacy import Mechanism
from edgekit.federated.privacy.asked import Protection
from edgekit.federated.secrecy import Secrecy
from edgekit.federated.secure import plan_sum
from edgekit.federated.simulation import Plan, simulate
from edgekit.federated.strategies import DpFedAvg, FedAvg, FedProx, Median, NormClipping, Strategy
from edgekit.federated.tasks import Task
from edgekit.learning.federated import LocalTrainer, Update
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.update import as_vector

pytest.importorskip("cryptography", reason="needs cryptography")

PLAN = Plan(rounds=1, epochs=2, rate=0.1)
HIDDEN = replace(PLAN, secrecy=Secrecy())


def off_by_at_most(boards: int, *, largest: float, samples: int, total: float) -> float:
    """What rounding to whole numbers may move a mean, and half a unit of float32 near 4."""
    settings = plan_sum(bytes(16), 2410, boards, largest=largest, samples=samples)
    return boards * settings.step / (2 * total) + 2.0**-22


@pytest.mark.parametrize("strategy", [FedAvg(), FedProx(mu=0.1), FedAvg(share=0.5)])
def test_a_hidden_round_moves_the_model_as_a_plain_one_within_the_rounding(
    task: Task, trainer: LocalTrainer, strategy: Strategy
) -> None:
    plain = simulate(trainer, task.clients, strategy, PLAN)
    hidden = simulate(trainer, task.clients, strategy, HIDDEN)
    counts = [len(part) for part in task.clients.parts]
    most = off_by_at_most(10, largest=8.0, samples=max(counts), total=min(counts))
    apart = as_vector(hidden.model.parameters) - as_vector(plain.model.parameters)
    assert np.abs(apart).max() <= most < 1e-4
    assert np.abs(as_vector(plain.model.parameters) - as_vector(trainer.parameters)).max() > 0.01
    assert hidden.rounds[0].updates == plain.rounds[0].updates
    assert hidden.rounds[0].update_divergence is None
    assert hidden.rounds[0].bytes_up > plain.rounds[0].bytes_up


def test_twenty_hidden_rounds_follow_the_curve_of_plain_ones(
    task: Task, trainer: LocalTrainer
) -> None:
    plan = replace(PLAN, rounds=20)
    plain = simulate(trainer, task.clients, FedAvg(), plan).rounds
    hidden = simulate(trainer, task.clients, FedAvg(), replace(plan, secrecy=Secrecy())).rounds
    apart = [a.accuracy - b.accuracy for a, b in zip(plain, hidden, strict=True)]
    assert np.abs(apart).max() <= 1 / 360  # one digit of the test


def test_noise_of_the_boards_is_in_the_sum_as_it_is_in_plain_updates(
    task: Task, trainer: LocalTrainer
) -> None:
    mechanism = Mechanism(
        kind="distributed", longest=1.0, noise=0.5, expected=10, sharers=8, sampling="fixed"
    )
    plain, hidden = (
        simulate(
            trainer,
            task.clients,
            mechanism.strategy(1.0),
            replace(PLAN, secrecy=secrecy),
            on_the_way=Protection(mechanism, 7),
        ).model.parameters
        for secrecy in (None, Secrecy(largest=mechanism.order.largest))
    )
    most = off_by_at_most(10, largest=mechanism.order.largest, samples=1, total=10)
    assert np.abs(as_vector(plain) - as_vector(hidden)).max() <= most < 1e-5


def test_who_falls_silent_is_in_the_sum_from_the_last_phase_on_alone(
    task: Task, trainer: LocalTrainer
) -> None:
    sent: dict[str, Update] = {}

    def seen(update: Update) -> Update:
        sent[update.client] = update
        return update

    counts = set()
    for seed in range(6):
        plan = replace(PLAN, seed=seed, epochs=1, secrecy=Secrecy(dropout=0.3))
        found = simulate(trainer, task.clients, FedAvg(), plan, on_the_way=seen)
        change = as_vector(found.model.parameters) - as_vector(trainer.parameters)
        count = found.rounds[0].updates
        counts.add(count)
        assert 7 <= count <= 10
        everything = _mean(sent, sent)
        assert (np.abs(change - everything).max() <= 1e-4) == (count == 10)
    assert len(counts) > 1


def _mean(sent: dict[str, Update], among: dict[str, Update]) -> np.ndarray:
    weights = np.array([sent[name].samples for name in among], float)
    return np.average([as_vector(sent[name].change) for name in among], axis=0, weights=weights)


def test_the_same_arguments_give_the_same_bits_although_masks_never_are(
    task: Task, trainer: LocalTrainer
) -> None:
    plan = replace(PLAN, rounds=2, secrecy=Secrecy(dropout=0.2))
    first, second = (simulate(trainer, task.clients, FedAvg(), plan) for _ in range(2))
    assert first.rounds == second.rounds
    vectors = [as_vector(one.model.parameters).tobytes() for one in (first, second)]
    assert vectors[0] == vectors[1]


def test_a_round_with_too_few_boards_left_fails(task: Task, trainer: LocalTrainer) -> None:
    plan = replace(PLAN, secrecy=Secrecy(dropout=0.5))
    with pytest.raises(RoundFailed, match="boards are left"):
        simulate(trainer, task.clients, FedAvg(), plan)


def test_the_sum_of_a_single_board_is_never_opened(task: Task, trainer: LocalTrainer) -> None:
    with pytest.raises(RoundFailed, match="1 updates came, a secure sum needs 2"):
        simulate(trainer, task.clients, FedAvg(share=0.1), HIDDEN)


def test_fewer_boards_than_share_the_noise_fail_the_round(
    task: Task, trainer: LocalTrainer
) -> None:
    strategy = DpFedAvg(longest=1.0, noise=1.0, expected=10, least=9, noised_by="boards")
    plan = replace(PLAN, secrecy=Secrecy(largest=9.0, dropout=0.2))
    with pytest.raises(RoundFailed, match="the sum needs 9|the round needs 9"):
        simulate(trainer, task.clients, strategy, plan)


@pytest.mark.parametrize(
    "strategy",
    [
        Median(),
        NormClipping(inner=FedAvg(), longest=1.0),
        DpFedAvg(longest=1.0, noise=1.0, expected=10),
    ],
)
def test_what_needs_to_see_updates_is_refused(
    task: Task, trainer: LocalTrainer, strategy: Strategy
) -> None:
    with pytest.raises(InputError, match="gives sums alone"):
        simulate(trainer, task.clients, strategy, HIDDEN)


def test_a_plan_refuses_what_secrecy_does_not_go_with() -> None:
    with pytest.raises(InputError, match="int8: secure sums"):
        replace(HIDDEN, codec=codec_of("int8"))
    with pytest.raises(InputError, match="no single update"):
        replace(HIDDEN, longest=1.0)


def test_the_command_hides_updates(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["simulate", "--rounds=1", "--secure", "--secure-dropout=0.1", "--json"]
    federate([*options, "--dp=distributed", "--dp-noise=0.5"], standalone_mode=False)
    printed = capsys.readouterr().out
    assert '"yes, dropout 0.1"' in printed
    assert '"update_divergence": null' in printed


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--secure-dropout=0.1"], "needs --secure"),
        (["--secure", "--strategy=median"], "gives sums alone"),
        (["--secure", "--dp=central", "--dp-noise=1"], "noise that boards add"),
        (["--secure", "--codec=int8"], "use float32"),
    ],
)
def test_the_command_refuses_what_does_not_go_together(options: list[str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        federate(["simulate", "--rounds=1", *options], standalone_mode=False)
