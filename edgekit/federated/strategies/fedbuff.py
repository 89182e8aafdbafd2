"""FedBuff. Nguyen et al., 2022, arXiv:2106.06639."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class FedBuff(Strategy):
    """Combines whenever enough updates are there, old ones less: no board waits for another.

    Attributes:
        least: how many make a buffer, K.
        rate: eta_g.
    """

    least: int = 10
    rate: float = 1.0

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`; an update may have begun with an older version."""
        weights = [
            self.rate / len(updates) / sqrt(1 + max(0, model.version - update.version))
            for update in updates
        ]
        return weighted([update.change for update in updates], weights)
