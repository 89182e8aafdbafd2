"""Puts facts in an order in which each comes after those that it reads."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from edgekit.errors import InputError
from edgekit.pipeline.rules.language import Expression


class FactsInCircle(InputError):
    """Facts that read each other in a circle.

    Attributes:
        circle: their names, the first one again at the end.
    """

    def __init__(self, circle: list[str]) -> None:
        super().__init__(f"facts read each other in a circle: {' -> '.join(circle)}")
        self.circle = circle


def in_order(facts: Mapping[str, Expression]) -> list[str]:
    """The names of facts, each after those that its expression reads.

    Raises:
        FactsInCircle: there is no such order.
    """
    reads = {
        name: [reading.of for reading in expression.readings if reading.part == "fact"]
        for name, expression in facts.items()
    }
    try:
        return list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        raise FactsInCircle(error.args[1]) from error
