"""Norm clipping. Sun et al., 2019, arXiv:1911.07963."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgekit.array import Array
from edgekit.federated.model import GlobalModel
from edgekit.federated.strategies.strategy import Strategy
from edgekit.learning.federated.privacy import clipped
from edgekit.learning.federated.trainer import Guidance
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class NormClipping(Strategy):
    """Shortens long changes, then does as another strategy: no board moves the model far alone.

    Attributes:
        inner: what else is done; its `share` and `least` count.
        longest: the largest norm of a change.
    """

    inner: Strategy
    longest: float

    def choose(self, online: Sequence[str], rng: random.Random) -> list[str]:
        """See `Strategy`."""
        return self.inner.choose(online, rng)

    def guidance(self, model: GlobalModel, *, epochs: int, rate: float) -> Guidance:
        """See `Strategy`."""
        return self.inner.guidance(model, epochs=epochs, rate=rate)

    def combine(self, model: GlobalModel, updates: Sequence[Update]) -> GlobalModel:
        """See `Strategy`."""
        return self.inner.combine(model, self._shortened(updates))

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        return self.inner.change(model, self._shortened(updates))

    def _shortened(self, updates: Sequence[Update]) -> list[Update]:
        return [replace(u, change=clipped(u.change, self.longest)) for u in updates]
