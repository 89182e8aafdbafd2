"""DP-FedAvg with a fixed denominator. McMahan et al., 2018, arXiv:1710.06963."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.privacy import SecretRandomness, clipped, with_gaussian_noise
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class DpFedAvg(Strategy):
    """Adds the boards' clipped changes and noise, every board with the same weight.

    Whoever sees the models learns little about any one board; the coordinator sees the updates,
    unless the boards add the noise.

    Attributes:
        longest: the norm that changes are clipped to, S.
        noise: the noise multiplier z; the sum gets a deviation of z S.
        expected: how many boards a round is expected to have, q N; what the sum is divided by.
        seed: makes the noise repeatable, for simulation; `None` takes what nobody can guess.
        sampling: `fixed` draws as many boards each time; `poisson` draws each by itself with
            probability `share`, which is what accountants assume where they count on chance. Then
            a round may be of any number of boards, none too.
        noised_by: `boards`: they clip and add noise, and here their sum is taken as it is.
    """

    longest: float
    noise: float
    expected: int
    seed: int | None = None
    sampling: Literal["poisson", "fixed"] = "fixed"
    noised_by: Literal["coordinator", "boards"] = "coordinator"

    def choose(self, online: Sequence[str], rng: random.Random) -> list[str]:
        """See `Strategy`; keep secret what `rng` draws from where chance is counted on."""
        if self.sampling == "fixed":
            return super().choose(online, rng)
        return [board for board in sorted(online) if rng.random() < self.share]

    def combine(self, model: GlobalModel, updates: Sequence[Update]) -> GlobalModel:
        """See `Strategy`; a round that draws no board at all moves the model by noise alone."""
        if not updates and self.sampling == "poisson" and self.noised_by == "coordinator":
            return model.moved(self.change(model, updates))
        return super().combine(model, updates)

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        changes = [update.change for update in updates]
        if self.noised_by == "boards":
            return weighted(changes, [1 / self.expected] * len(changes))
        still = {name: np.zeros_like(array) for name, array in model.parameters.items()}
        shortened = [still, *(clipped(change, self.longest) for change in changes)]
        total = weighted(shortened, [1 / self.expected] * len(shortened))
        deviation = self.noise * self.longest / self.expected
        if self.seed is None:
            return with_gaussian_noise(total, deviation, SecretRandomness())
        return with_gaussian_noise(
            total, deviation, np.random.default_rng((self.seed, model.version))
        )
