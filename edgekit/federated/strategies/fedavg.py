"""FedAvg. McMahan et al., 2017, arXiv:1602.05629."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, mean_by_samples
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class FedAvg(Strategy):
    """Averages what the boards learned, each by how many samples it has."""

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        return mean_by_samples(updates)
