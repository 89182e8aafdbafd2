"""What a board needs to learn together with others: NumPy, onnxruntime and cbor2 alone."""

from edgekit.learning.federated.checks import Limits, UpdateRefused, check_update
from edgekit.learning.federated.trainer import Guidance, LocalTrainer
from edgekit.learning.federated.update import Update

__all__ = ["Guidance", "Limits", "LocalTrainer", "Update", "UpdateRefused", "check_update"]
