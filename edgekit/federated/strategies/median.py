"""The median of each number. Yin et al., 2018, arXiv:1803.01498."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, stacked
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class Median(Strategy):
    """Takes the median of each number: less than half of the boards may send anything."""

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        return {name: np.median(stacked(updates, name), axis=0) for name in model.parameters}
