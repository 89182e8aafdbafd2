"""Messages of a round as CBOR, in chunks that may come twice and in any order."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from math import prod
from types import ModuleType
from typing import Any

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.codecs import Codec, codec_of
from edgekit.learning.federated.update import Update, as_arrays, as_vector

SCHEMA = 1
_ID_BYTES = 16
_RUN_BYTES = 8
_CHUNK_COSTS = 128
"""About what a chunk takes in memory beside its bytes."""
_ALWAYS_CHUNKS = 256
"""So many are allowed however short a message may be."""


def encode_update(
    update: Update,
    codec: Codec,
    data: bytes | None = None,
    *,
    run: str | None = None,
    number: int | None = None,
) -> bytes:
    """An update as one message (RFC 8949); a control variate travels as float32.

    Args:
        update: what to send.
        codec: how its change travels.
        data: the change, encoded already by `with_feedback`; else the codec encodes it.
        run: which running of a job it is for, as its invitation said; `None` without a coordinator.
        number: of the round, with `run`.
    """
    if data is None:
        data = codec.encode(as_vector(update.change), _sizes(update.change))
    message: dict[str, Any] = {
        "schema": SCHEMA,
        "client": update.client,
        "version": update.version,
        "samples": update.samples,
        "steps": update.steps,
        "codec": codec.name,
        "change": data,
    }
    if update.control:
        plain = codec_of("float32")
        message["control"] = plain.encode(as_vector(update.control), _sizes(update.control))
    if run is not None and number is not None:
        message |= {"run": bytes.fromhex(run), "round": number}
    return dumped(message)


def round_of_update(message: bytes) -> tuple[str, int] | None:
    """The run and the round that an update says it is for; `None` where it says neither.

    Raises:
        InputError: it is no CBOR map, or what it says of them cannot be.
    """
    found = loaded_map(message)
    run, number = found.get("run"), found.get("round")
    if run is None and number is None:
        return None
    if type(run) is not bytes or len(run) != _RUN_BYTES or type(number) is not int or number < 0:
        raise InputError("an update's run or round cannot be")
    return run.hex(), number


def decode_update(message: bytes, shapes: Mapping[str, tuple[int, ...]]) -> Update:
    """The update in a message, for a model of these shapes. It still needs `check_update`.

    Raises:
        InputError: it is no such message; the text says what is wrong.
    """
    found = loaded_map(message)
    if found.get("schema") != SCHEMA:
        raise InputError(f"an update of the schema {found.get('schema')!r} is none of {SCHEMA}")
    for key, kind in _KINDS.items():
        if type(found.get(key)) is not kind:
            raise InputError(f"an update's {key} is missing or no {kind.__name__}")
    sizes = [prod(shapes[name]) for name in sorted(shapes)]
    change = codec_of(found["codec"]).decode(found["change"], sizes)
    control: Mapping[str, Array] = {}
    if "control" in found:
        if type(found["control"]) is not bytes:
            raise InputError("an update's control is no bytes")
        control = as_arrays(codec_of("float32").decode(found["control"], sizes), shapes)
    return Update(
        found["client"],
        found["version"],
        found["samples"],
        found["steps"],
        as_arrays(change, shapes),
        control,
    )


_KINDS: Mapping[str, type] = {
    "client": str,
    "version": int,
    "samples": int,
    "steps": int,
    "codec": str,
    "change": bytes,
}


def chunked(message: bytes, limit: int) -> list[bytes]:
    """A message as chunks of at most `limit` bytes each.

    Args:
        message: any bytes.
        limit: above 64.

    Raises:
        InputError: the limit is too low.
    """
    room = limit - _ID_BYTES - 32  # CBOR's heads of an array, two numbers and two byte strings
    if room < 16:
        raise InputError(f"chunks of {limit} bytes are too small; allow 64 at least")
    name = hashlib.sha256(message).digest()[:_ID_BYTES]
    total = max(1, -(-len(message) // room))
    return [
        bytes(_cbor().dumps([name, number, total, message[number * room : (number + 1) * room]]))
        for number in range(total)
    ]


@dataclass(frozen=True)
class Chunk:
    """A part of a message.

    Attributes:
        of: the first 16 bytes of the message's SHA-256.
        number: from 0.
        total: how many parts there are.
        data: the part.
    """

    of: bytes
    number: int
    total: int
    data: bytes


def decode_chunk(data: bytes) -> Chunk:
    """The chunk in some bytes.

    Raises:
        InputError: it is none.
    """
    found = _loaded(data, list)
    if [type(part) for part in found] != [bytes, int, int, bytes]:
        raise InputError("a chunk is not [name, number, total, bytes]")
    chunk = Chunk(*found)
    if len(chunk.of) != _ID_BYTES or not 0 <= chunk.number < chunk.total:
        raise InputError(f"there is no chunk {chunk.number} of {chunk.total}")
    return chunk


class Reassembly:
    """Puts the chunks of one message together.

    Args:
        limit_bytes: what all chunks together may hold. Chunks of less than 128 bytes may be 256 at
            most, or more would be held than that.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._most = max(_ALWAYS_CHUNKS, limit_bytes // _CHUNK_COSTS + 1)
        self._parts: dict[int, bytes] = {}
        self._first: Chunk | None = None
        self._held = 0

    def add(self, chunk: Chunk) -> bytes | None:
        """Takes a chunk; the message, once none is missing.

        Raises:
            InputError: the chunk is of another message, there are too many bytes, or the message
                is not what its name says. What is held stays.
        """
        first = self._first or chunk
        if (chunk.of, chunk.total) != (first.of, first.total):
            raise InputError("the chunk is of another message")
        if chunk.number not in self._parts:
            if self._held + len(chunk.data) > self._limit or chunk.total > self._most:
                raise InputError(f"the message is larger than {self._limit} bytes")
            self._parts[chunk.number] = chunk.data
            self._held += len(chunk.data)
        self._first = first
        if len(self._parts) < chunk.total:
            return None
        message = b"".join(self._parts[number] for number in range(chunk.total))
        if hashlib.sha256(message).digest()[:_ID_BYTES] != chunk.of:
            self._parts.clear()
            self._held = 0
            raise InputError("the message is damaged: its SHA-256 is another; send it again")
        return message

    @property
    def missing(self) -> Sequence[int]:
        """Which chunks to ask for again; empty before the first has come."""
        if self._first is None:
            return ()
        return [n for n in range(self._first.total) if n not in self._parts]


def dumped(message: Mapping[str, Any]) -> bytes:
    """A map as CBOR (RFC 8949)."""
    return bytes(_cbor().dumps(message))


def loaded_map(message: bytes) -> dict[str, Any]:
    """The CBOR map in some bytes.

    Raises:
        InputError: they hold something else.
    """
    found: dict[str, Any] = _loaded(message, dict)
    return found


def _sizes(arrays: Mapping[str, Array]) -> list[int]:
    return [arrays[name].size for name in sorted(arrays)]


def _cbor() -> ModuleType:
    try:
        return import_module("cbor2")
    except ImportError as error:
        raise InputError("federated rounds need cbor2: pip install 'edgekit[federated]'") from error


def _loaded(data: bytes, kind: type) -> Any:
    cbor = _cbor()
    try:
        found = cbor.loads(data)
    except Exception as error:  # cbor2 lets errors of codecs, dates and recursion through
        raise InputError(f"not CBOR: {type(error).__name__}") from error
    if type(found) is not kind:
        raise InputError(f"CBOR of {type(found).__name__}, not {kind.__name__}")
    return found
