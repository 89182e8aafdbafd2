"""What counts as a number and as a time, in text and in JSON: one rule for every source of rows."""

import math
from datetime import UTC, datetime

_FIRST_MILLISECONDS = 1e11
_LATEST_MS = 253_402_300_800_000  # the year 10000


class Missing:
    """Says that a JSON document has no such value."""


MISSING = Missing()


def number_in(text: str) -> float | None:
    """The number that text is; Python's own `1_000` and other scripts' digits are none."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def number_of(value: object) -> float | None:
    """The number that a JSON value is: a number, a number in text, or true and false as 1 and 0."""
    if isinstance(value, str):
        return number_in(value)
    if not isinstance(value, bool | int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def milliseconds_in(text: str) -> int | None:
    """Milliseconds since 1970 UTC of a time in text.

    Takes ISO 8601 (UTC where it has no offset; eight digits are a date) or a number: seconds
    since 1970 below 10^11, milliseconds from there on. `None` where it is neither, or not
    between 1970 and 9999.
    """
    text = text.strip()
    number = number_in(text)
    if number is not None and not (len(text) == 8 and text.isdecimal()):
        return _since_1970(number)
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        taken_at_ms = round(time.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return taken_at_ms if 0 <= taken_at_ms < _LATEST_MS else None


def milliseconds_of(value: object) -> int | None:
    """As `milliseconds_in`, of a JSON value: text or a number."""
    if isinstance(value, str):
        return milliseconds_in(value)
    number = None if isinstance(value, bool) else number_of(value)
    return None if number is None else _since_1970(number)


def value_at(document: object, path: str) -> object:
    """The value at a path of keys joined by dots, or `MISSING`; a key of just that name goes first.

    A key that is digits also counts into a list, from 0.
    """
    if isinstance(document, dict) and path in document:
        return document[path]
    head, dot, rest = path.partition(".")
    inner: object = MISSING
    if isinstance(document, dict) and dot:
        inner = document.get(head, MISSING)
    elif isinstance(document, list) and head.isascii() and head.isdecimal() and len(head) < 10:
        position = int(head)
        inner = document[position] if position < len(document) else MISSING
    return value_at(inner, rest) if dot and inner is not MISSING else inner


def shown(value: object) -> str:
    """A value for a line of the log: short, printable."""
    return repr(value.strip() if isinstance(value, str) else value)[:42]


def _since_1970(number: float) -> int | None:
    if not math.isfinite(number) or number < 0:
        return None
    taken_at_ms = round(number if number >= _FIRST_MILLISECONDS else number * 1000)
    return taken_at_ms if taken_at_ms < _LATEST_MS else None
