"""Krum and Multi-Krum. Blanchard et al., 2017, "Machine Learning with Adversaries"."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.update import Update, as_vector


@dataclass(frozen=True, kw_only=True)
class Krum(Strategy):
    """Takes the updates that are nearest to their neighbours.

    Attributes:
        wrong: how many boards may send anything, f; needs 2 f + 3 updates.
        keep: how many updates are averaged; 1 is Krum, more is Multi-Krum.
    """

    wrong: int = 1
    keep: int = 1

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        if len(updates) < 2 * self.wrong + 3 or len(updates) < self.keep:
            raise RoundFailed(
                f"{len(updates)} updates are too few for Krum with {self.wrong} wrong ones"
            )
        scores = krum_scores(updates, self.wrong)
        chosen = np.argsort(scores, kind="stable")[: self.keep]
        each = [1 / self.keep] * self.keep
        return weighted([updates[number].change for number in chosen], each)


def krum_scores(updates: Sequence[Update], wrong: int) -> Array:
    """For each update the sum of squared distances to its n - f - 2 nearest, float64 `[n]`."""
    vectors = np.stack([as_vector(update.change) for update in updates]).astype(np.float64)
    near = len(updates) - wrong - 2
    scores = np.zeros(len(updates))
    for number, vector in enumerate(vectors):
        apart = np.square(vectors - vector).sum(axis=1)
        apart[number] = np.inf
        scores[number] = np.sort(apart)[:near].sum()
    return scores
