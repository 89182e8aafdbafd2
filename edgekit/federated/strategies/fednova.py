"""FedNova. Wang et al., 2020, arXiv:2007.07481."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class FedNova(Strategy):
    """Averages the boards' changes a step, so that those that take more steps pull no harder.

    For plain gradient descent on the boards: a_i is then a vector of ones, its norm the number of
    steps.
    """

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        everything = sum(update.samples for update in updates)
        shares = [update.samples / everything for update in updates]
        effective = sum(share * u.steps for share, u in zip(shares, updates, strict=True))
        weights = [effective * s / u.steps for s, u in zip(shares, updates, strict=True)]
        return weighted([update.change for update in updates], weights)
