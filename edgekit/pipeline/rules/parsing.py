"""Reads the text of an expression by Python's own parser, within bounds."""

import ast
import warnings
from collections.abc import Iterable

from edgekit.errors import InputError

MAX_LENGTH = 256
MAX_DEPTH = 24


class BadExpression(InputError):
    """An expression that cannot be used.

    Attributes:
        word: the name in it that nothing has, if that is what is wrong.
        known: the names there are in its place.
    """

    def __init__(self, text: str, *, word: str = "", known: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.word, self.known = word, tuple(known)


def parsed(text: str) -> ast.expr:
    """The tree of an expression, of which nothing is judged yet but its size.

    Raises:
        BadExpression: it is too long or too deep, or Python cannot read it.
    """
    if len(text) > MAX_LENGTH:
        raise BadExpression(
            f"is {len(text)} characters long, and at most {MAX_LENGTH} are read: name parts of "
            "it as facts"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what Python only warns of is a slip here
            line = text.replace("\r", " ").replace("\n", " ").strip()
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        where = f" at character {error.offset}" if error.offset else ""
        raise BadExpression(
            f"is not an expression: {error.msg}{where}; write it like "
            "door.person > 0.8 and not pump.anomalous"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadExpression(f"is not an expression: {error}") from error
    _refuse_depth(tree)
    return tree


def _refuse_depth(tree: ast.expr) -> None:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise BadExpression(f"is nested deeper than {MAX_DEPTH}: name parts of it as facts")
