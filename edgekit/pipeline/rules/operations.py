"""What the nodes of an expression do, where any value may be unknown."""

import ast
import math
import operator
from collections.abc import Callable

from edgekit.pipeline.rules.readings import Reading, Value

Look = Callable[[Reading], Value | None]
"""Gives the value of a reading, `None` where it is unknown."""

Node = Callable[[Look], Value | None]
"""Gives the value of a part of an expression, `None` where it is unknown."""

ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
ORDER: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
EQUALITY: dict[type[ast.cmpop], Callable[[Value, Value], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def joined(sides: list[Node], *, decisive: bool) -> Node:
    """`or` of truths where True is decisive, `and` where False is."""

    def run(look: Look) -> bool | None:
        unknown = False
        for side in sides:
            found = side(look)
            if found is decisive:
                return decisive
            unknown |= found is None
        return None if unknown else not decisive

    return run


def applied(function: Callable[..., Value], *sides: Node) -> Node:
    """A function of values that are all known, and whose result is finite."""

    def run(look: Look) -> Value | None:
        values = [side(look) for side in sides]
        if any(value is None for value in values):
            return None
        try:
            result = function(*values)
        except ZeroDivisionError:
            return None
        return result if not isinstance(result, float) or math.isfinite(result) else None

    return run
