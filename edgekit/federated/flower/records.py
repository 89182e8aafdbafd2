"""Flower's messages to boards, and what boards answer.

`docs/examples/flower/board.py` is the other end. A question of the type `query` is answered by the
record `board`: `name` and `number`. One of the type `train` brings the records `arrays` (the global
parameters), `config` and, for SCAFFOLD, `control`; its answer is the record `update` with the bytes
of `edgekit.learning.federated.framing.encode_update`, which hold any codec.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.learning.federated.checks import Limits, UpdateRefused, check_update
from edgekit.learning.federated.framing import decode_update
from edgekit.learning.federated.trainer import Guidance
from edgekit.learning.federated.update import Update

if TYPE_CHECKING:
    from flwr.app import ArrayRecord, Message


@dataclass(frozen=True)
class Board:
    """A node of Flower's.

    Attributes:
        name: what it calls itself.
        number: its place in the fleet; the order of its samples follows from it.
        node: Flower's number of it.
    """

    name: str
    number: int
    node: int


def question(node: int) -> "Message":
    """Asks a node who it is."""
    from flwr.app import Message, RecordDict

    return Message(RecordDict(), dst_node_id=node, message_type="query")


def introduction(answer: "Message") -> Board:
    """Who a node says it is.

    Raises:
        InputError: it does not say.
    """
    said = _record(answer, "board")
    name, number = said.get("name"), said.get("number")
    if type(name) is not str or not 0 < len(name) <= 200 or type(number) is not int or number < 0:
        raise InputError(f"node {answer.metadata.src_node_id} does not say its name and number")
    return Board(name, number, answer.metadata.src_node_id)


def order(
    board: Board,
    parameters: Mapping[str, Array],
    guidance: Guidance,
    *,
    version: int,
    seed: list[int],
    codec: str,
) -> "Message":
    """Asks a board to train.

    Args:
        board: whom.
        parameters: the global model's, float32 by name.
        guidance: how.
        version: of the global model.
        seed: of its order of samples.
        codec: how its update travels.
    """
    from flwr.app import ConfigRecord, Message, RecordDict

    config = ConfigRecord(
        {
            "epochs": guidance.epochs,
            "rate": guidance.rate,
            "proximal": guidance.proximal,
            "version": version,
            "seed": seed,
            "codec": codec,
        }
    )
    content = RecordDict({"arrays": array_record(parameters), "config": config})
    if guidance.control:
        content["control"] = array_record(guidance.control)
    return Message(content, dst_node_id=board.node, message_type="train", group_id=str(version))


def answered_bytes(answer: "Message") -> bytes:
    """The update in a board's answer, as it travelled.

    Raises:
        InputError: its training failed, or there is none.
    """
    message = _record(answer, "update").get("message")
    if type(message) is not bytes:
        raise InputError("the answer holds no update")
    return message


def checked_update(message: bytes, board: Board, limits: Limits) -> Update:
    """An update that may be combined.

    Raises:
        InputError: it is none of this board, or not within the limits.
    """
    update = decode_update(message, limits.shapes)
    if update.client != board.name:
        raise UpdateRefused(board.name, f"it says it is of {update.client}")
    check_update(update, limits)
    return update


def array_record(arrays: Mapping[str, Array]) -> "ArrayRecord":
    """Arrays as Flower sends them."""
    from flwr.app import Array as Sent
    from flwr.app import ArrayRecord

    return ArrayRecord({name: Sent(np.ascontiguousarray(a)) for name, a in arrays.items()})


def _record(answer: "Message", name: str) -> Mapping[str, object]:
    from flwr.app import ConfigRecord

    if answer.has_error():
        raise InputError(_one_line(answer.error.reason or ""))
    found = answer.content.get(name)
    if not isinstance(found, ConfigRecord):
        raise InputError(f"the answer has no record {name!r}")
    return dict(found)


def _one_line(reason: str) -> str:
    """The last line of what Flower says went wrong: where there is a traceback, its point."""
    lines = [line.strip() for line in reason.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it failed and does not say why"
