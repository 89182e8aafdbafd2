"""Samples that are in memory are the same on a workstation and on a board."""

from edgekit.learning.arrays import Arrays

__all__ = ["Arrays"]
