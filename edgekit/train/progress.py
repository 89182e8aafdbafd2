"""How long a training tells of itself, and the null object for when nobody looks."""

from typing import Protocol


class Progress(Protocol):
    """Shows how far a piece of work is; that of `edgekit.compress` fits."""

    def count(self, title: str, done: int, total: int) -> None:
        """Shows work that counts its own steps."""


class Silent:
    """Shows nothing."""

    def count(self, title: str, done: int, total: int) -> None:
        """Shows nothing."""
