"""Takes inputs out of a linear layer one by one, and makes good what each did to its output.

Optimal Brain Surgeon (Hassibi and Stork, 1993) over whole blocks of columns, as in Optimal Brain
Compression (Frantar and Alistarh, 2022, arXiv:2208.11580) and ZipLM (Kurtic et al., 2023,
arXiv:2302.04089): all in closed form from the second moments of the inputs.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from edgekit.array import Array


class Elimination:
    """A layer ``y = W x + b`` on its way to fewer inputs.

    After every removal `weights` is the least-squares answer from the inputs that are left, so
    that removing in any order comes to the same weights.

    Args:
        covariance: float64 `[K, K]` of the inputs.
        weights: float64 `[O, K]`.
        importance: float64 `[O]`: how much a squared error of each output matters.
        columns: the columns of each block that may go, by the block's number.
        damping: added to the diagonal, as a share of its mean.
    """

    def __init__(
        self,
        covariance: Array,
        weights: Array,
        importance: Array,
        columns: Mapping[int, Sequence[int]],
        *,
        damping: float,
    ) -> None:
        little = damping * float(np.trace(covariance)) / len(covariance) + 1e-12
        self._inverse = np.linalg.inv(covariance + little * np.eye(len(covariance)))
        self._root = np.sqrt(importance)[:, np.newaxis]
        self._columns = {block: np.array(own) for block, own in columns.items()}
        self._losses: dict[int, float] | None = None
        self.weights = weights.astype(np.float64)

    def losses(self) -> dict[int, float]:
        """What removing each block next would add to the importance-weighted squared error."""
        if self._losses is None:
            self._losses = self._computed()
        return self._losses

    def remove(self, block: int) -> None:
        """Takes a block out; the inputs that are left take over what they can of its part."""
        own = self._columns.pop(block, None)
        if own is None:
            return
        spread = np.linalg.solve(self._inverse[np.ix_(own, own)], self._inverse[own])
        self.weights -= self.weights[:, own] @ spread
        self._inverse -= self._inverse[:, own] @ spread
        self._inverse[own] = self._inverse[:, own] = self.weights[:, own] = 0
        self._losses = None

    def _computed(self) -> dict[int, float]:
        sizes = {len(own) for own in self._columns.values()}
        found: dict[int, float] = {}
        for size in sizes:
            blocks = [block for block, own in self._columns.items() if len(own) == size]
            own = np.stack([self._columns[block] for block in blocks])
            inner = np.linalg.inv(self._inverse[own[:, :, None], own[:, None, :]])
            weights = (self._root * self.weights)[:, own].transpose(1, 0, 2)
            losses = np.einsum("uob,uob->u", weights @ inner, weights)
            found |= dict(zip(blocks, losses.tolist(), strict=True))
        return found
