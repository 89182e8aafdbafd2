"""The mean of each number without its extremes. Yin et al., 2018, arXiv:1803.01498."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.strategies.strategy import Strategy, stacked
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class TrimmedMean(Strategy):
    """Averages each number after dropping its `trim` largest and smallest values.

    Attributes:
        trim: how many on each side; that many boards may send anything.
    """

    trim: int = 1

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        if len(updates) <= 2 * self.trim:
            raise RoundFailed(f"{len(updates)} updates cannot be trimmed by {self.trim} a side")
        kept = slice(self.trim, len(updates) - self.trim)
        return {
            name: np.sort(stacked(updates, name), axis=0)[kept].mean(axis=0)
            for name in model.parameters
        }
