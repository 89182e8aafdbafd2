"""Our strategies on a Flower server, for fleets that outgrow one coordinator."""

from edgekit.federated.flower.plan import FlowerPlan, FlowerRound
from edgekit.federated.flower.rounds import play_rounds

__all__ = ["FlowerPlan", "FlowerRound", "play_rounds"]
