"""The coordinator's half of secure aggregation: it learns the sum of all updates alone."""

from edgekit.federated.secure.graph import plan_sum
from edgekit.federated.secure.server import SecureServer, SecureSum
from edgekit.federated.secure.simulation import simulate_sum

__all__ = ["SecureServer", "SecureSum", "plan_sum", "simulate_sum"]
