"""What all boards share, and what a strategy remembers about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from edgekit.array import Array
from edgekit.errors import OperatorError


class RoundFailed(OperatorError):
    """A round cannot be combined; the global model stays as it is."""


@dataclass(frozen=True)
class GlobalModel:
    """The global parameters after some rounds.

    Attributes:
        parameters: float32 by name.
        version: how many times they were changed.
        state: what the strategy remembers from round to round, arrays by name; none at first.
    """

    parameters: Mapping[str, Array]
    version: int = 0
    state: Mapping[str, Array] = field(default_factory=dict)

    def moved(
        self, change: Mapping[str, Array], state: Mapping[str, Array] | None = None
    ) -> "GlobalModel":
        """The next version.

        Args:
            change: by name, added to the parameters in float64.
            state: what the strategy remembers from now on; as it was where left out.
        """
        parameters = {
            name: (array.astype(np.float64) + change[name]).astype(np.float32)
            for name, array in self.parameters.items()
        }
        kept = self.state if state is None else state
        return GlobalModel(parameters, self.version + 1, kept)
