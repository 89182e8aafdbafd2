"""FedAdagrad, FedYogi and FedAdam. Reddi et al., 2021, arXiv:2003.00295."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, mean_by_samples
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class Adaptive(Strategy):
    """Takes the mean change for a gradient, and follows it with a rate for each number.

    Algorithm 2 of the paper; v begins at tau squared.

    Attributes:
        rate: eta.
        beta1: how much of the last direction is kept.
        beta2: how much of the last squares is kept; FedAdagrad keeps all.
        tau: the least that is divided by.
    """

    rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def combine(self, model: GlobalModel, updates: Sequence[Update]) -> GlobalModel:
        """See `Strategy`."""
        self._require(updates)
        moved: dict[str, Array] = {}
        state: dict[str, Array] = {}
        for name, mean in self.change(model, updates).items():
            m = model.state.get(f"m({name})", np.zeros_like(mean))
            v = model.state.get(f"v({name})", np.full_like(mean, self.tau**2))
            m = self.beta1 * m + (1 - self.beta1) * mean
            v = self.squares(v, mean**2)
            moved[name] = self.rate * m / (np.sqrt(v) + self.tau)
            state |= {f"m({name})": m, f"v({name})": v}
        return model.moved(moved, state)

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`; what is then followed."""
        return mean_by_samples(updates)

    @abstractmethod
    def squares(self, before: Array, now: Array) -> Array:
        """What v becomes, from what it was and the squares of this round."""


@dataclass(frozen=True, kw_only=True)
class FedAdagrad(Adaptive):
    """Sums all squares."""

    beta1: float = 0.0

    def squares(self, before: Array, now: Array) -> Array:
        """See `Adaptive`."""
        return before + now


@dataclass(frozen=True, kw_only=True)
class FedYogi(Adaptive):
    """Moves towards the new squares by no more than they are."""

    def squares(self, before: Array, now: Array) -> Array:
        """See `Adaptive`."""
        found: Array = before - (1 - self.beta2) * now * np.sign(before - now)
        return found


@dataclass(frozen=True, kw_only=True)
class FedAdam(Adaptive):
    """Forgets old squares."""

    def squares(self, before: Array, now: Array) -> Array:
        """See `Adaptive`."""
        return self.beta2 * before + (1 - self.beta2) * now
