"""Personalisation, as boards do it: its home is `edgekit.learning.federated.personal`."""

from edgekit.learning.federated.personal import Personal

__all__ = ["Personal"]
