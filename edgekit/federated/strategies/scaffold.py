"""SCAFFOLD. Karimireddy et al., 2020, arXiv:1910.06378."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.federated.strategies.strategy import Strategy, weighted
from edgekit.learning.federated.trainer import Guidance
from edgekit.learning.federated.update import Update


@dataclass(frozen=True, kw_only=True)
class Scaffold(Strategy):
    """Corrects each board's gradient by how its drift differs from that of all (option II).

    The step must have been compiled with `corrected=True`; each board keeps its control variate.

    Attributes:
        clients: how many boards there are, N.
        rate: how far the global model follows the mean change, eta_g.
    """

    clients: int
    rate: float = 1.0

    def guidance(self, model: GlobalModel, *, epochs: int, rate: float) -> Guidance:
        """See `Strategy`."""
        return Guidance(epochs, rate, control=_control(model))

    def combine(self, model: GlobalModel, updates: Sequence[Update]) -> GlobalModel:
        """See `Strategy`; the mean is over boards, not samples.

        Raises:
            RoundFailed: there are too few updates, or one tells nothing of its control variate.
        """
        self._require(updates)
        for update in updates:
            if not update.control:
                raise RoundFailed(f"{update.client} sent no control variate; let it use SCAFFOLD")
        each = [1 / self.clients] * len(updates)
        moved = weighted([update.control for update in updates], each)
        control = {n: (c + moved[n]).astype(np.float32) for n, c in _control(model).items()}
        state = {f"control({name})": array for name, array in control.items()}
        return model.moved(self.change(model, updates), state)

    def change(self, model: GlobalModel, updates: Sequence[Update]) -> Mapping[str, Array]:
        """See `Strategy`."""
        each = [self.rate / len(updates)] * len(updates)
        return weighted([update.change for update in updates], each)


def _control(model: GlobalModel) -> dict[str, Array]:
    return {
        name: model.state.get(f"control({name})", np.zeros_like(array))
        for name, array in model.parameters.items()
    }
