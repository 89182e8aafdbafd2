"""The subset of CBOR that packets are made of: read strictly, written in its shortest form.

RFC 8949 less tags, indefinite lengths and simple values but false, true and null. Written by cbor2;
read here, because a reader that follows tags, and for which the key `true` is the key 1, is more
than a stranger on a wire should get.
"""

import struct
from typing import Any

from edgekit.bridge.libraries import library

DEEPEST = 8
"""How many containers may stand in one another."""

_LEAST, _MOST_UNSIGNED = -(2**63), 2**64 - 1
_SIMPLE = {20: False, 21: True, 22: None}
_FLOATS = {25: struct.Struct(">e"), 26: struct.Struct(">f"), 27: struct.Struct(">d")}


class Malformed(Exception):
    """Bytes that are not one item of the subset, or an item that is not its message."""


def encode(item: object) -> bytes:
    """An item as bytes: shortest integers, lengths and floats; keys in ascending order."""
    return bytes(library("cbor2").dumps(item, canonical=True))


def decode(data: bytes) -> Any:
    """The one item that the bytes are.

    Text that is not UTF-8 comes with `surrogateescape`; `clean` makes it fit to be passed on. Map
    keys that are no integer, text or bytes become text, since no message has such.

    Raises:
        Malformed: it is not of the subset, or not all of the bytes.
    """
    reader = _Reader(data)
    item = reader.item(DEEPEST)
    if reader.at != len(data):
        raise Malformed(f"{len(data) - reader.at} bytes after the item")
    return item


def clean(item: Any) -> Any:
    """The item with U+FFFD in place of what is not UTF-8 in its texts."""
    match item:
        case str():
            return item.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        case list():
            return [clean(one) for one in item]
        case dict():
            return {clean(key): clean(value) for key, value in item.items()}
    return item


def text_bytes(text: str) -> int:
    """How many bytes a text took that `decode` gave."""
    return len(text.encode("utf-8", "surrogateescape"))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def item(self, depth: int) -> Any:
        start = self._take(1)[0]
        major, minor = start >> 5, start & 31
        if major == 7:
            return self._simple(minor)
        number = self._number(minor)
        match major:
            case 0:
                return number
            case 1:
                if -1 - number < _LEAST:
                    raise Malformed("a negative number beyond 64 bits")
                return -1 - number
            case 2:
                return self._take(number)
            case 3:
                return self._take(number).decode("utf-8", "surrogateescape")
            case 4:
                self._enter(depth, number)
                return [self.item(depth - 1) for _ in range(number)]
            case 5:
                self._enter(depth, 2 * number)
                found = {}
                for _ in range(number):
                    key = self.item(depth - 1)
                    if type(key) not in (int, str, bytes):
                        key = repr(key)
                    found[key] = self.item(depth - 1)
                return found
        raise Malformed("a tag")

    def _enter(self, depth: int, items: int) -> None:
        if depth == 0:
            raise Malformed(f"more than {DEEPEST} containers in one another")
        if items > len(self._data) - self.at:  # each takes a byte at least
            raise Malformed("a container longer than its message")

    def _simple(self, minor: int) -> Any:
        if minor in _FLOATS:
            form = _FLOATS[minor]
            return form.unpack(self._take(form.size))[0]
        if minor not in _SIMPLE:
            raise Malformed(f"the simple value {minor}")
        return _SIMPLE[minor]

    def _number(self, minor: int) -> int:
        if minor < 24:
            return minor
        if minor > 27:
            raise Malformed("an indefinite or reserved length")
        return int.from_bytes(self._take(1 << (minor - 24)))

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise Malformed("ends too early")
        self.at += count
        return self._data[self.at - count : self.at]
