"""A whole secure sum in one process, with boards that drop out where they are told to."""

import random
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgekit.array import Array
from edgekit.federated.secure.server import SecureServer, SecureSum
from edgekit.learning.federated.secure.board import SecureBoard
from edgekit.learning.federated.secure.settings import PHASES, SecureSettings

Watch = Callable[[str, str, bytes], object]


@dataclass(frozen=True)
class SimulatedSum:
    """What came of a simulated round.

    Attributes:
        sum: the coordinator's result.
        up: bytes that each board sent.
        down: bytes that each board was sent.
    """

    sum: SecureSum
    up: Mapping[str, int] = field(default_factory=dict)
    down: Mapping[str, int] = field(default_factory=dict)


def simulate_sum(
    settings: SecureSettings,
    parts: Mapping[str, tuple[Array, int]],
    drops: Mapping[str, str] | None = None,
    *,
    watch: Watch = lambda phase, board, message: None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    rng: random.Random | None = None,
) -> SimulatedSum:
    """Runs the code of boards and coordinator, message for message.

    Args:
        settings: of the sum.
        parts: each board's vector, `[size]`, and its samples.
        drops: from which phase on a board is silent.
        watch: sees the phase, the board and the bytes of all that the coordinator gets.
        random_bytes: what boards take for secrets; a known one only where none is kept.
        rng: what the coordinator takes for the graph, the same.

    Raises:
        RoundFailed: too few boards were left.
        InputError: a vector does not fit the settings.
    """
    server = SecureServer(settings, invited=parts, rng=rng)
    boards = {name: SecureBoard(name, settings, random_bytes=random_bytes) for name in parts}
    up: Counter[str] = Counter()
    down: Counter[str] = Counter()
    asked: dict[str, bytes] = dict.fromkeys(parts, b"")
    for phase in PHASES:
        for name, message in asked.items():
            down[name] += len(message)
            if (
                PHASES.index((drops or {}).get(name, PHASES[-1])) < PHASES.index(phase)
                or (drops or {}).get(name) == phase
            ):
                continue
            answer = _answer(boards[name], phase, message, parts[name])
            up[name] += len(answer)
            watch(phase, name, answer)
            server.add(phase, name, answer)
        asked = server.end_phase()
    return SimulatedSum(server.result(), dict(up), dict(down))


def _answer(board: SecureBoard, phase: str, message: bytes, part: tuple[Array, int]) -> bytes:
    if phase == "advertise":
        return board.advertise()
    if phase == "mask":
        return board.mask(message, *part)
    return board.share(message) if phase == "share" else board.unmask(message)
