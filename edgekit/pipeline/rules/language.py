"""The language of rules: a few of Python's expressions, checked for types before they run.

Python's own parser reads the text; what is not on the short list below is refused, and nothing is
ever handed to `eval`. There are no calls, loops, powers, texts to build or patterns to match, so an
expression takes time in proportion to its length, which is bounded.
"""

import ast
import keyword
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from edgekit.pipeline.rules.operations import (
    ARITHMETIC,
    EQUALITY,
    ORDER,
    Look,
    Node,
    applied,
    joined,
)
from edgekit.pipeline.rules.parsing import BadExpression, parsed
from edgekit.pipeline.rules.readings import PARTS, Part, Readable, Reading

_MAX_PLACE = 1_000_000

_Type = Literal["number", "truth", "text"]
_SAID: dict[_Type, str] = {"number": "a number", "truth": "true or false", "text": "a text"}
_TYPE_OF_PART: dict[Part, _Type] = {
    "fact": "truth",
    "label": "number",
    "top": "text",
    "p": "number",
    "score": "number",
    "threshold": "number",
    "anomalous": "truth",
    "value": "number",
}


@dataclass(frozen=True)
class Expression:
    """An expression that was found good.

    Attributes:
        text: as it was written.
        readings: what it reads, in the order it is written, each once.
    """

    text: str
    readings: tuple[Reading, ...]
    _root: Node

    def value(self, look: Look) -> bool | None:
        """Whether it is true, `None` where that depends on something unknown.

        `and` is false as soon as one side is, `or` true as soon as one side is, whatever the
        unknown side may be (Kleene's three-valued logic); all else that reads something unknown
        is unknown, and so is arithmetic whose result is not finite.
        """
        found = self._root(look)
        return None if found is None else bool(found)


def compile_expression(
    text: str, *, readables: Mapping[str, Readable], facts: Iterable[str] = ()
) -> Expression:
    """Checks an expression.

    Args:
        text: the expression.
        readables: what each pipeline and fusion gives, by name.
        facts: the facts it may read.

    Raises:
        BadExpression: it is too long or too deep, is not an expression of this language, names
            what is not there, or mixes types; one line that says which.
    """
    compiler = _Compiler(readables, tuple(facts))
    root = compiler.compile_all(text)
    for mistake in compiler.mistakes:
        raise mistake
    return Expression(text, tuple(compiler.readings), root)


def mistakes_in(
    text: str, *, readables: Mapping[str, Readable], facts: Iterable[str] = ()
) -> list[BadExpression]:
    """All that is wrong with an expression, of which `compile_expression` raises the first."""
    compiler = _Compiler(readables, tuple(facts))
    compiler.compile_all(text)
    return list({str(mistake): mistake for mistake in compiler.mistakes}.values())


class _Compiler:
    """Turns Python's tree into functions, and keeps what they read and what is wrong with them."""

    def __init__(self, readables: Mapping[str, Readable], facts: tuple[str, ...]) -> None:
        self.readings: dict[Reading, None] = {}
        self.mistakes: list[BadExpression] = []
        self._readables, self._facts = readables, facts

    def compile_all(self, text: str) -> Node:
        """The function of the whole text."""
        try:
            root = self.compile(parsed(text), "truth")
            if not self.readings and not self.mistakes:
                raise BadExpression("reads nothing, so it can never change")
        except BadExpression as error:
            self.mistakes.append(error)
            return lambda _look: None
        return root

    def compile(self, node: ast.expr, wanted: _Type) -> Node:
        """The function of a node that has to be of a type; of a wrong one, any."""
        try:
            found, run = self._typed(node)
            if found != wanted:
                raise _mixed(node, found, wanted)
        except BadExpression as error:
            self.mistakes.append(error)
            return lambda _look: None
        return run

    def _typed(self, node: ast.expr) -> tuple[_Type, Node]:
        match node:
            case ast.Constant(value):
                return _constant(node, value)
            case ast.Name() | ast.Attribute() | ast.Subscript():
                reading = self._reading(node)
                self.readings[reading] = None
                return _TYPE_OF_PART[reading.part], lambda look: look(reading)
            case ast.BoolOp(op, values):
                sides = [self.compile(value, "truth") for value in values]
                return "truth", joined(sides, decisive=isinstance(op, ast.Or))
            case ast.UnaryOp(ast.Not(), operand):
                return "truth", applied(operator.not_, self.compile(operand, "truth"))
            case ast.UnaryOp(ast.USub(), operand):
                return "number", applied(operator.neg, self.compile(operand, "number"))
            case ast.BinOp(left, op, right) if type(op) in ARITHMETIC:
                sides = [self.compile(left, "number"), self.compile(right, "number")]
                return "number", applied(ARITHMETIC[type(op)], *sides)
            case ast.Compare(first, ops, others):
                pairs = zip([first, *others[:-1]], ops, others, strict=True)
                return "truth", joined([self._compared(*pair) for pair in pairs], decisive=False)
        raise BadExpression(
            f"{ast.unparse(node)} is not of this language: it has and, or, not, < <= > >= == !=, "
            "in, + - * /, numbers, texts and names"
        )

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node:
        if type(op) in ORDER:
            sides = [self.compile(left, "number"), self.compile(right, "number")]
            return applied(ORDER[type(op)], *sides)
        if type(op) in EQUALITY:
            kind, run = self._typed(left)
            return applied(EQUALITY[type(op)], run, self.compile(right, kind))
        if isinstance(op, ast.In | ast.NotIn):
            if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
                raise BadExpression(
                    f"{ast.unparse(right)} is not a list of texts, as in ['cat', 'dog']"
                )
            kind, run = self._typed(left)
            same = [applied(operator.eq, run, self.compile(e, kind)) for e in right.elts]
            found = joined(same, decisive=True)
            return applied(operator.not_, found) if isinstance(op, ast.NotIn) else found
        raise BadExpression("'is' is not of this language: write ==")

    def _reading(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Reading:
        name = ast.unparse(node)
        match node:
            case ast.Name(root):
                if root in self._facts:
                    return Reading(name, root, "fact")
                readable = self._readable(root, alone=True)
                raise BadExpression(
                    f"{root} is a pipeline: read something of it, as in "
                    f"{_spelled(root, readable)[0]}"
                )
            case ast.Attribute(ast.Name(root) | ast.Constant(str(root)), part):
                return self._part(name, root, part)
            case ast.Subscript(ast.Name(root) | ast.Constant(str(root)), ast.Constant(str(label))):
                return self._label(name, root, label)
            case ast.Subscript(
                ast.Attribute(ast.Name(root) | ast.Constant(str(root)), "values"),
                ast.Constant(int(place)),
            ) if self._readable(root).kind == "raw":
                if isinstance(place, bool) or place > _MAX_PLACE:
                    raise BadExpression(f"{name}: no model has so many values")
                return Reading(name, root, "value", place)
        raise BadExpression(
            f"{name} reads nothing: write pipeline.label, pipeline['a label'] or pipeline.values[0]"
        )

    def _readable(self, root: str, *, alone: bool = False) -> Readable:
        if root in self._readables:
            return self._readables[root]
        if root in self._facts:
            raise BadExpression(f"{root} is a fact, so it is true or false and has no parts")
        known = [*self._readables, *(self._facts if alone else ())]
        constants = ["True", "False"] if alone else []
        raise BadExpression(
            f"there is no pipeline{' or fact' if alone else ''} {root!r}",
            word=root,
            known=known + constants,
        )

    def _part(self, name: str, root: str, part: str) -> Reading:
        readable = self._readable(root)
        for own in PARTS[readable.kind]:
            if part == own:
                return Reading(name, root, own)
        if readable.kind == "classes":
            return self._label(name, root, part)
        raise _no_such(name, root, readable)

    def _label(self, name: str, root: str, label: str) -> Reading:
        readable = self._readable(root)
        if readable.kind == "classes" and (readable.labels is None or label in readable.labels):
            return Reading(name, root, "label", label)
        raise _no_such(name, root, readable)


def _mixed(node: ast.expr, found: _Type, wanted: _Type) -> BadExpression:
    hint = ": compare it, as in x > 0.5" if (found, wanted) == ("number", "truth") else ""
    return BadExpression(
        f"{ast.unparse(node)} is {_SAID[found]}, and {_SAID[wanted]} is needed there{hint}"
    )


def _no_such(name: str, root: str, readable: Readable) -> BadExpression:
    return BadExpression(f"there is no {name}", word=name, known=_spelled(root, readable))


def _spelled(root: str, readable: Readable) -> list[str]:
    """All that can be read of a pipeline, as an expression writes it."""
    pipeline = root if _is_plain(root) else repr(root)
    if readable.kind == "raw":
        return [f"{pipeline}.values[0]"]
    own = [f"{pipeline}.{part}" for part in PARTS[readable.kind]]
    labels = [
        f"{pipeline}.{label}"
        if _is_plain(label) and label not in PARTS["classes"]
        else f"{pipeline}[{label!r}]"
        for label in readable.labels or ()
    ]
    return labels + own


def _is_plain(name: str) -> bool:
    """Whether an expression can write a name without quotes."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _constant(node: ast.expr, value: object) -> tuple[_Type, Node]:
    match value:
        case bool():
            return "truth", lambda _look: value
        case int() | float():
            number = float(value)
            if math.isfinite(number):
                return "number", lambda _look: number
        case str():
            return "text", lambda _look: value
    raise BadExpression(f"{ast.unparse(node)} is not a number, a text, True or False")
