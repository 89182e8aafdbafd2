"""What a coordinator and its boards say to each other in a round, as CBOR maps.

Updates have a form of their own: see `framing`. Everything travels in chunks (`framing.chunked`).
"""

from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

import msgspec

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import dumped, loaded_map
from edgekit.learning.federated.update import as_arrays, as_vector

SCHEMA = 1
_Name16 = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e6)]
_NotNegative = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Text = Annotated[str, msgspec.Meta(max_length=500)]
_Run = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{16}\Z")]


class _Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", omit_defaults=True):
    """All that is said of a round.

    Attributes:
        run: names one running of a job, so that rounds of two are never mixed.
        round: its number, from 1.
    """

    run: _Run
    round: _Count


class Privacy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a board does to its change before it leaves.

    Attributes:
        clip: the norm that the change is shortened to.
        deviation: of the Gaussian noise that the board adds to each number.
    """

    clip: _Positive
    deviation: _NotNegative = 0.0


class Invite(_Said, frozen=True, kw_only=True, tag="invite"):
    """To a board: take part.

    Attributes:
        version: of the global model.
        model: the first 16 bytes of the SHA-256 of the `Model` message, which is at the topic that
            they name.
        model_bytes: how long that message is.
        epochs: passes over the board's samples.
        rate: the learning rate.
        proximal: FedProx's mu.
        seed: of the order of samples.
        codec: how the change travels.
        chunk_bytes: the largest payload.
        seconds: until answers come too late.
        privacy: what is done to the change; `None` for nothing.
        secure: settings of secure aggregation, as its own bytes; `None` where the change is sent.
        personal: names or patterns of the parameters that stay on the board; the model and updates
            are of the others.
        counted: the round of this run whose update of this board is the last that counts; its
            receipt may have been lost. `None` where there is none, or nobody said.
    """

    version: _Count
    model: _Name16
    model_bytes: _Count
    epochs: Annotated[int, msgspec.Meta(ge=1, le=10_000)]
    rate: _Positive
    proximal: _NotNegative = 0.0
    seed: _Count = 0
    codec: Annotated[str, msgspec.Meta(max_length=100)] = "float32"
    chunk_bytes: Annotated[int, msgspec.Meta(ge=256, le=2**28)] = 131_072
    seconds: _Positive = 600.0
    privacy: Privacy | None = None
    secure: bytes | None = None
    personal: Annotated[tuple[_Text, ...], msgspec.Meta(max_length=1000)] = ()
    counted: _Count | None = None


class Answer(_Said, frozen=True, kw_only=True, tag="answer"):
    """From a board: whether it takes part; `why` it does not, in one line."""

    accepts: bool
    why: _Text = ""


class Want(_Said, frozen=True, kw_only=True, tag="want"):
    """To either end: send these chunks again.

    Attributes:
        of: the first 16 bytes of the message's SHA-256.
        numbers: of the chunks; empty for all.
    """

    of: _Name16
    numbers: Annotated[tuple[_Count, ...], msgspec.Meta(max_length=100_000)] = ()


class Receipt(_Said, frozen=True, kw_only=True, tag="receipt"):
    """To a board: what became of its update, or of the round.

    Attributes:
        state: `counted`: it is safe with the coordinator; `refused`: it was wrong, and `why`;
            `late`: the round is over; `void`: the round does not count, forget it.
    """

    state: Literal["counted", "refused", "late", "void"]
    why: _Text = ""


class Secure(_Said, frozen=True, kw_only=True, tag="secure"):
    """To either end: a message of secure aggregation, as its own bytes."""

    phase: Annotated[str, msgspec.Meta(max_length=40)]
    data: bytes


class Model(_Said, frozen=True, kw_only=True, tag="model"):
    """To all boards: the global model of a round; see `encode_model`."""

    version: _Count
    codec: Annotated[str, msgspec.Meta(max_length=100)]
    parameters: bytes
    control: bytes | None = None


Said = Invite | Answer | Want | Receipt | Secure | Model


def encode(said: msgspec.Struct) -> bytes:
    """A message as CBOR (RFC 8949)."""
    return dumped({"schema": SCHEMA, **msgspec.to_builtins(said, builtin_types=(bytes,))})


def decode(message: bytes) -> Said:
    """The message in some bytes.

    Raises:
        InputError: it is none; the text says what is wrong.
    """
    said: Said = decode_any(message, Said)
    return said


def decode_any(message: bytes, kinds: Any) -> Any:
    """The message in some bytes, which is one of some kinds.

    Args:
        message: as it came.
        kinds: a union of structs.

    Raises:
        InputError: it is none of them; the text says what is wrong.
    """
    found = loaded_map(message)
    if (schema := found.pop("schema", None)) != SCHEMA:
        raise InputError(f"a message of the schema {schema!r} is none of {SCHEMA}")
    try:
        return msgspec.convert(found, kinds, builtin_types=(bytes,))
    except (msgspec.ValidationError, RecursionError) as error:
        raise InputError(f"a message of a round: {error}") from error


def encode_model(
    parameters: Mapping[str, Array],
    *,
    run: str,
    number: int,
    version: int,
    control: Mapping[str, Array] | None = None,
    codec: str = "float32",
) -> bytes:
    """The global model as a message: all tensors in the order of their names.

    Args:
        parameters: float32 by name.
        run: see `_Said`.
        number: of the round.
        version: of the model.
        control: SCAFFOLD's server control variate, float32 by name, where there is one.
        codec: how the parameters travel.
    """
    sizes = [parameters[name].size for name in sorted(parameters)]
    plain = codec_of("float32")
    return encode(
        Model(
            run=run,
            round=number,
            version=version,
            codec=codec,
            parameters=codec_of(codec).encode(as_vector(parameters), sizes),
            control=None if not control else plain.encode(as_vector(control), sizes),
        )
    )


def parameters_of(
    model: Model, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """The parameters in a model, and its control variate, empty where there is none.

    Args:
        model: as it came.
        shapes: of each parameter by name, which both ends know.

    Raises:
        InputError: it is not a model of these shapes.
    """
    sizes = [prod(shapes[name]) for name in sorted(shapes)]
    vector = codec_of(model.codec).decode(model.parameters, sizes)
    if model.control is None:
        return as_arrays(vector, shapes), {}
    control = codec_of("float32").decode(model.control, sizes)
    return as_arrays(vector, shapes), as_arrays(control, shapes)
