"""C text: identifiers, literals and tables that no name in a manifest can break out of."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError

IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,30}")
_WIDTH = 96
_PLAIN = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$%&'()*+,-./:;<=>@[]^_`{|}~"
)
_INTEGERS = {"i": "int", "u": "uint"}


def identifier(name: str) -> str:
    """The C identifier for a bundle's name: `conv-1d.v2` is `conv_1d_v2`."""
    text = re.sub(r"[^a-z0-9_]", "_", name.lower())[:31]
    return text if IDENTIFIER.fullmatch(text) else f"m{text}"[:31]


def checked_identifier(name: str) -> str:
    """A name that a user chose.

    Raises:
        InputError: it is none that C takes.
    """
    if not IDENTIFIER.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for C: begin with a letter, then at most 30 of a-z, 0-9 and _"
        )
    return name


def string(text: str) -> str:
    """A string literal of the UTF-8 bytes of a text; no trigraph, no escape that runs on."""
    return (
        '"'
        + "".join(
            chr(byte) if chr(byte) in _PLAIN else f"\\{byte:03o}"
            for byte in text.encode("utf-8", "replace")
        )
        + '"'
    )


def remark(text: str) -> str:
    """A text that may stand in a comment: printable ASCII on one line that ends no comment."""
    plain = "".join(letter if letter in _PLAIN else "?" for letter in text)
    return re.sub(r"[*/\\]{2,}|\?\?+", "?", plain)[:200]


def real(number: Any) -> str:
    """A float literal that is exactly this float32.

    Raises:
        InputError: it is NaN or infinite.
    """
    if not np.isfinite(number):
        raise InputError(f"the model holds the number {number}, which no C literal says")
    text = f"{float(np.float32(number)):.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def table(name: str, values: Array, *, scope: str = "static const") -> str:
    """The definition of an array of constants, with its type after the dtype of `values`."""
    flat = np.asarray(values).ravel()
    kind = flat.dtype
    if kind.kind == "f":
        numbers = [real(value) for value in flat]
        declared = "float"
    else:
        suffix = "u" if kind.kind == "u" and kind.itemsize == 4 else ""
        numbers = [_integer(int(value)) + suffix for value in flat.tolist()]
        declared = f"{_INTEGERS[kind.kind]}{8 * kind.itemsize}_t"
    return f"{scope} {declared} {name}[{len(flat)}] = {{\n{_wrapped(numbers)}\n}};"


def strings(name: str, texts: Sequence[str]) -> str:
    """The definition of an array of string literals."""
    lines = "".join(f"    {string(text)},\n" for text in texts)
    return f"const char *const {name}[{len(texts)}] = {{\n{lines}}};"


def _integer(value: int) -> str:
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def _wrapped(numbers: Iterable[str]) -> str:
    lines, line = [], "   "
    for number in numbers:
        if len(line) + len(number) + 2 > _WIDTH:
            lines.append(line)
            line = "   "
        line += f" {number},"
    return "\n".join([*lines, line])
