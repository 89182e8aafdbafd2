"""What rounds cost in privacy, and who adds the noise: the coordinator's half."""

from edgekit.federated.privacy.accountant import Epsilons, noise_for, spent_by
from edgekit.federated.privacy.budget import Budget
from edgekit.federated.privacy.mechanisms import Mechanism

__all__ = ["Budget", "Epsilons", "Mechanism", "noise_for", "spent_by"]
