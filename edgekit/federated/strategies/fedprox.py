"""FedProx. Li et al., 2020, arXiv:1812.06127."""

from dataclasses import dataclass

from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.fedavg import FedAvg
from edgekit.learning.federated.trainer import Guidance


@dataclass(frozen=True, kw_only=True)
class FedProx(FedAvg):
    """FedAvg of boards that are drawn back to where the round began; part of the work is welcome.

    The step must have been compiled with `proximal=True`.

    Attributes:
        mu: how strongly they are drawn.
    """

    mu: float = 0.01

    def guidance(self, model: GlobalModel, *, epochs: int, rate: float) -> Guidance:
        """See `Strategy`."""
        return Guidance(epochs, rate, proximal=self.mu)
