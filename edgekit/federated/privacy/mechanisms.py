"""Who adds the noise: the coordinator, all boards a share of it, or each board for itself."""

import math
from typing import Literal

import msgspec

from edgekit.errors import InputError
from edgekit.federated.privacy.budget import Budget
from edgekit.federated.strategies.dp_fedavg import DpFedAvg
from edgekit.learning.federated.privacy import NoiseOrder

Kind = Literal["central", "distributed", "local"]


class Mechanism(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One way of making rounds private, and what follows from it.

    Attributes:
        kind: `central`: the coordinator clips and adds noise, and is trusted with the updates;
            `distributed`: each board adds a share, and a coordinator that sees the sum alone needs
            no trust; `local`: each board adds all of it, and nobody needs any.
        longest: the norm that changes are clipped to, S.
        noise: the noise multiplier z: of the sum, or with `local` of each change.
        expected: how many boards a round is expected to have, q N.
        sharers: with `distributed`, how many updates a sum is of at least, or it is refused.
        sampling: how boards are drawn; `poisson` pays with `central` alone, see `counts_rounds`.
    """

    kind: Kind
    longest: float
    noise: float
    expected: int
    sharers: int = 1
    sampling: Literal["poisson", "fixed"] = "poisson"

    def __post_init__(self) -> None:
        if not (0 < self.longest < math.inf and 0 <= self.noise < math.inf):
            raise InputError("the clipping norm must be above 0, and the noise not below")
        if not 1 <= self.sharers <= self.expected:
            raise InputError(f"{self.sharers} boards share noise, of {self.expected} expected")

    @property
    def counts_rounds(self) -> bool:
        """Whether chance in who takes part counts: only for whoever does not see who does."""
        return self.kind == "central" and self.sampling == "poisson"

    @property
    def order(self) -> NoiseOrder | None:
        """What boards are to do; `None` where the coordinator does all."""
        if self.kind == "central":
            return None
        sharers = self.sharers if self.kind == "distributed" else 1
        return NoiseOrder(self.kind, self.longest, self.noise, sharers)

    def strategy(self, share: float, *, seed: int | None = None) -> DpFedAvg:
        """What the coordinator does with the updates.

        Args:
            share: of the boards that are online, how many take part.
            seed: makes the noise repeatable, for simulation.
        """
        return DpFedAvg(
            longest=self.longest,
            noise=self.noise,
            expected=self.expected,
            seed=seed,
            share=share,
            least=self.sharers if self.kind == "distributed" else 1,
            sampling=self.sampling,
            noised_by="coordinator" if self.kind == "central" else "boards",
        )

    def budget(self, epsilon: float, delta: float, share: float) -> Budget:
        """A budget of which nothing is spent.

        Args:
            epsilon: what may be spent; infinite to count alone.
            delta: see `edgekit.federated.privacy.accountant.spent_by`.
            share: how likely each board is drawn.
        """
        counted = share if self.counts_rounds else None
        noise = self.noise / 2 if self.kind == "local" else self.noise  # two changes: 2 S apart
        return Budget(epsilon=epsilon, delta=delta, noise=noise, share=counted)

    @property
    def meaning(self) -> str:
        """One sentence: against whom epsilon holds, and on what condition."""
        if self.counts_rounds:
            return (
                "epsilon holds for a whole board, against all who see the models and not who took "
                "part; the coordinator sees the updates"
            )
        most = "epsilon is that of the board which took part in most rounds, for all it has"
        if self.kind == "central":
            return f"{most}; the coordinator sees the updates"
        if self.kind == "local":
            return f"{most} against anything else it might have, for everybody who sees its updates"
        return (
            f"{most}, against a coordinator that sees sums of {self.sharers} updates or more alone:"
            " it needs secure aggregation, and boards that all add their share"
        )
