"""The workstation's half of learning together: strategies, simulation, and what to measure."""

from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.train.rounds import compile_federated_step

__all__ = ["GlobalModel", "RoundFailed", "compile_federated_step"]
