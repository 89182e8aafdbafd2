"""How long work tells of itself, and the null object for when nobody looks."""

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Shows how far a piece of work is."""

    def track(self, items: Iterable[T], title: str, *, total: int) -> Iterator[T]:
        """Gives the items, and shows each as done when the next is asked for."""

    def count(self, title: str, done: int, total: int) -> None:
        """Shows work that counts its own steps."""

    def say(self, text: str) -> None:
        """Says something that is worth a line."""


class Silent:
    """Shows nothing."""

    def track(self, items: Iterable[T], title: str, *, total: int) -> Iterator[T]:
        """Gives the items."""
        yield from items

    def count(self, title: str, done: int, total: int) -> None:
        """Shows nothing."""

    def say(self, text: str) -> None:
        """Says nothing."""
