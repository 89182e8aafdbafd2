"""DP-FedAvg with a fixed denominator. McMahan et al., 2018, arXiv:1710.06963."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.privacy import clipped, with_gaussian_noise
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class DpFedAvg(Strategy):
    """Adds the boards' clipped changes and noise, every board with the same weight.

    Whoever sees the models learns little about any one board; the coordinator sees the updates.

    Attributes:
        longest: the norm that changes are clipped to, S.
        noise: the noise multiplier z; the sum gets a deviation of z S.
        expected: how many boards a round is expected to have, q N; what the sum is divided by.
        seed: makes the noise repeatable, for simulation; `None` takes what nobody can guess.
    """

    longest: float
    noise: float
    expected: int
    seed: int | None = None

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        entropy = None if self.seed is None else (self.seed, model.version)
        shortened = [clipped(update.change, self.longest) for update in updates]
        total = weighted(shortened, [1 / self.expected] * len(updates))
        deviation = self.noise * self.longest / self.expected
        return with_gaussian_noise(total, deviation, np.random.default_rng(entropy))
