"""Simulated rounds whose coordinator sees the sum of all updates, and no update."""

import random
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.secure.graph import plan_sum
from edgekit.federated.secure.server import SecureSum
from edgekit.federated.secure.simulation import simulate_sum
from edgekit.federated.strategies import DpFedAvg, FedAvg, Strategy
from edgekit.learning.federated.secure.settings import PHASES, SESSION_BYTES, SecureSettings
from edgekit.learning.federated.update import Update, as_arrays, as_vector, shapes_of


@dataclass(frozen=True, kw_only=True)
class Secrecy:
    """What a sum is asked for.

    Attributes:
        largest: the largest absolute value of a number of a change, which the field's range is made
            for; what is beyond is cut to it.
        dropout: the share of a round's boards that fall silent, each from a phase by chance.
    """

    largest: float = 8.0
    dropout: float = 0.0

    def drops(self, boards: Collection[str], rng: random.Random) -> dict[str, str]:
        """From which phase on a board is silent, of those that are."""
        silent = rng.sample(sorted(boards), k=round(self.dropout * len(boards)))
        return {board: rng.choice(PHASES) for board in silent}


@dataclass(frozen=True)
class Hidden:
    """What came of a round.

    Attributes:
        model: the next one.
        boards: whose updates are in it.
        bytes_up: what all boards sent, in all phases.
    """

    model: GlobalModel
    boards: frozenset[str]
    bytes_up: int


def check_strategy(strategy: Strategy) -> None:
    """Says whether a sum is all that a strategy needs.

    Raises:
        InputError: it needs to see updates.
    """
    if isinstance(strategy, DpFedAvg) and strategy.noised_by == "boards":
        return
    if not isinstance(strategy, FedAvg):
        raise InputError(
            "secure aggregation gives sums alone; use fedavg, fedprox, or noise that boards add"
        )


def combined(
    secrecy: Secrecy,
    strategy: Strategy,
    model: GlobalModel,
    updates: Sequence[Update],
    *,
    chosen: int,
    rng: random.Random,
) -> Hidden:
    """The next model, by the code of boards and coordinator, message for message.

    With noise all boards weigh the same, and the sum is over the boards that were expected; else it
    is the mean by samples.

    Args:
        secrecy: what is asked for.
        strategy: one that passed `check_strategy`.
        model: what the updates began with.
        updates: what the boards would send, unchecked: nobody sees them.
        chosen: how many boards were asked; those without an update never say a word.
        rng: of who falls silent, and when.

    Raises:
        RoundFailed: too few boards were left.
    """
    weighs = not isinstance(strategy, DpFedAvg)
    parts = {
        update.client: (as_vector(update.change), update.samples if weighs else 1)
        for update in updates
    }
    if len(parts) < max(2, strategy.least):
        raise RoundFailed(f"{len(parts)} updates came, a secure sum needs {max(2, strategy.least)}")
    largest = max(samples for _, samples in parts.values())
    settings = _settings(secrecy, model, chosen, samples=largest, least=strategy.least)
    done = simulate_sum(settings, parts, secrecy.drops(parts, rng))
    if len(done.sum.boards) < strategy.least:
        raise RoundFailed(f"{len(done.sum.boards)} updates came, the round needs {strategy.least}")
    return Hidden(
        _moved(strategy, model, done.sum),
        done.sum.boards,
        sum(done.up.values()),
    )


def _settings(
    secrecy: Secrecy, model: GlobalModel, boards: int, *, samples: int, least: int
) -> SecureSettings:
    size = sum(array.size for array in model.parameters.values())
    return plan_sum(
        secrets.token_bytes(SESSION_BYTES),
        size,
        boards,
        largest=secrecy.largest,
        samples=samples,
        least=max(boards * 2 // 3 + 1, min(boards, least)),
    )


def _moved(strategy: Strategy, model: GlobalModel, found: SecureSum) -> GlobalModel:
    vector = found.vector / strategy.expected if isinstance(strategy, DpFedAvg) else found.mean
    return model.moved(as_arrays(vector, shapes_of(model.parameters)))
