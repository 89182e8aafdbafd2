"""From what an operator asks of privacy to the mechanism, the budget and the strategy."""

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from edgekit.errors import InputError
from edgekit.federated.privacy.accountant import noise_for
from edgekit.federated.privacy.budget import Budget
from edgekit.federated.privacy.mechanisms import Kind, Mechanism
from edgekit.learning.federated.privacy import protected
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted, before the rounds are known.

    Attributes:
        kind: who adds the noise.
        longest: the norm that changes are clipped to.
        noise: the noise multiplier; `None` for what the budget needs.
        epsilon: the budget; `None` for none: epsilon is counted and not bounded.
        delta: `None` for one over the number of boards to the power of 1.1.
        sampling: see `Mechanism`; `None` for Poisson where that counts, else a fixed number.
        sharers: see `Mechanism`; `None` for four fifths of a round.
    """

    kind: Kind
    longest: float
    noise: float | None = None
    epsilon: float | None = None
    delta: float | None = None
    sampling: Literal["poisson", "fixed"] | None = None
    sharers: int | None = None

    def settled(self, *, boards: int, share: float, rounds: int) -> tuple[Mechanism, Budget]:
        """The mechanism, and a budget of which nothing is spent.

        Args:
            boards: how many there are.
            share: how many of them take part in a round.
            rounds: how many are planned.

        Raises:
            InputError: neither noise nor epsilon is given, or a number cannot be.
        """
        expected = max(1, round(boards * share))
        delta = float(max(boards, 2)) ** -1.1 if self.delta is None else self.delta
        sharers = max(1, math.floor(0.8 * expected)) if self.sharers is None else self.sharers
        mechanism = Mechanism(
            kind=self.kind,
            longest=self.longest,
            noise=self.noise or 0.0,
            expected=expected,
            sharers=sharers if self.kind == "distributed" else 1,
            sampling=self.sampling or ("poisson" if self.kind == "central" else "fixed"),
        )
        if self.noise is None:
            if self.epsilon is None:
                raise InputError("privacy needs an epsilon to keep to, or a noise multiplier")
            noise = _enough(mechanism, self.epsilon, delta, share, rounds)
            mechanism = msgspec.structs.replace(mechanism, noise=noise)
        epsilon = math.inf if self.epsilon is None else self.epsilon
        return mechanism, mechanism.budget(epsilon, delta, share)


class Protection:
    """What boards do to their updates, for simulation: the noise follows from the seed.

    Args:
        mechanism: whose order boards follow; nothing where the coordinator adds the noise.
        seed: of the noise.
    """

    def __init__(self, mechanism: Mechanism, seed: int) -> None:
        self._order = mechanism.order
        self._rng = np.random.default_rng((seed, 1))

    def __call__(self, update: Update) -> Update:
        """The update as it leaves its board."""
        if self._order is None:
            return update
        change = protected(update.change, self._order, self._rng)
        return Update(update.client, update.version, update.samples, update.steps, change)


def _enough(mechanism: Mechanism, epsilon: float, delta: float, share: float, rounds: int) -> float:
    """The noise with which the planned rounds just fit; a board that is drawn oftener retires."""
    if mechanism.counts_rounds:
        return noise_for(epsilon, delta, share=share, rounds=rounds)
    mean = rounds * share
    often = min(rounds, math.ceil(mean + 3 * math.sqrt(mean)))  # few boards are drawn oftener
    needed = noise_for(epsilon, delta, share=1.0, rounds=often)
    return 2 * needed if mechanism.kind == "local" else needed
