"""A board's half of secure aggregation: the coordinator learns the sum of all updates alone."""

from edgekit.learning.federated.secure.board import SecureBoard
from edgekit.learning.federated.secure.refusal import MessageRefused
from edgekit.learning.federated.secure.settings import (
    PHASES,
    SecureSettings,
    decode_settings,
    encode_settings,
)

__all__ = [
    "PHASES",
    "MessageRefused",
    "SecureBoard",
    "SecureSettings",
    "decode_settings",
    "encode_settings",
]
