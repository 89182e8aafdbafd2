"""What every strategy is: who takes part, what they are told, and what becomes of their updates."""

import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.learning.federated.trainer import Guidance
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class Strategy(ABC):
    """Decides, and does nothing else: no socket, clock or disk. It holds settings alone.

    Attributes:
        share: of the boards that are online, how many take part in a round; one at least.
        least: the fewest updates that make a round.
    """

    share: float = 1.0
    least: int = 1

    def choose(self, online: Sequence[str], rng: random.Random) -> list[str]:
        """Who takes part, in a random order where it is not all."""
        count = min(len(online), max(1, round(len(online) * self.share)))
        return sorted(online) if count == len(online) else rng.sample(sorted(online), k=count)

    def guidance(self, model: GlobalModel, *, epochs: int, rate: float) -> Guidance:
        """What they are told to do."""
        return Guidance(epochs, rate)

    def combine(self, model: GlobalModel, updates: Sequence[Update]) -> GlobalModel:
        """The next global model.

        Args:
            model: what the updates began with.
            updates: checked ones, in any order.

        Raises:
            RoundFailed: there are too few updates.
        """
        self._require(updates)
        return model.moved(self.change(model, updates))

    @abstractmethod
    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """How the global parameters are to move, float64 by name."""

    def _require(self, updates: Sequence[Update]) -> None:
        needed = max(1, self.least)
        if len(updates) < needed:
            raise RoundFailed(f"{len(updates)} updates came, the round needs {needed}")


def weighted(changes: Sequence[Mapping[str, Array]], weights: Sequence[float]) -> dict[str, Array]:
    """The sum of changes times weights, float64, without a copy of all of them."""
    total = {name: np.zeros(array.shape) for name, array in changes[0].items()}
    for change, weight in zip(changes, weights, strict=True):
        for name, sum_so_far in total.items():
            sum_so_far += np.multiply(change[name], weight, dtype=np.float64)
    return total


def mean_by_samples(updates: Sequence[Update]) -> dict[str, Array]:
    """The mean change, by how many samples each board has, float64."""
    everything = sum(update.samples for update in updates)
    shares = [update.samples / everything for update in updates]
    return weighted([update.change for update in updates], shares)


def stacked(updates: Sequence[Update], name: str) -> Array:
    """One parameter's change in each update, float64 `[updates, ...]`."""
    return np.stack([update.change[name] for update in updates]).astype(np.float64)
