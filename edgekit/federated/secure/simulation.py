"""A whole secure sum in one process, with boards that drop out where they are told to."""

import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

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
        board_s: how long each board computed.
        coordinator_s: how long the coordinator did.
    """

    sum: SecureSum
    up: Mapping[str, int]
    down: Mapping[str, int]
    board_s: Mapping[str, float]
    coordinator_s: float


def simulate_sum(
    settings: SecureSettings,
    parts: Mapping[str, tuple[Array, int]],
    drops: Mapping[str, str] | None = None,
    *,
    watch: Watch = lambda phase, board, message: None,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.process_time,
) -> SimulatedSum:
    """Runs the code of boards and coordinator, message for message.

    Args:
        settings: of the sum.
        parts: each board's vector, `[size]`, and its samples.
        drops: from which phase on a board is silent.
        watch: sees the phase, the board and the bytes of all that the coordinator gets.
        random_bytes: what boards take for secrets; a known one only where none is kept.
        rng: what the coordinator takes for the graph, the same.
        clock: seconds.

    Raises:
        RoundFailed: too few boards were left.
        InputError: a vector does not fit the settings.
    """
    drops = drops or {}
    up, down = dict.fromkeys(parts, 0), dict.fromkeys(parts, 0)
    board_s, started = dict.fromkeys(parts, 0.0), clock()
    server = SecureServer(settings, invited=parts, rng=rng)
    coordinator_s = clock() - started
    boards: dict[str, SecureBoard] = {}
    asked: dict[str, bytes] = dict.fromkeys(parts, b"")
    for phase in PHASES:
        for name, message in asked.items():
            down[name] += len(message)
            if drops.get(name) == phase:
                continue
            started = clock()
            if phase == PHASES[0]:
                boards[name] = SecureBoard(name, settings, random_bytes=random_bytes)
            answer = _answer(boards[name], phase, message, parts[name])
            answered = clock()
            server.add(phase, name, answer)
            coordinator_s += clock() - answered
            board_s[name] += answered - started
            up[name] += len(answer)
            watch(phase, name, answer)
        started = clock()
        asked = server.end_phase()
        coordinator_s += clock() - started
    return SimulatedSum(server.result(), up, down, board_s, coordinator_s)


def _answer(board: SecureBoard, phase: str, message: bytes, part: tuple[Array, int]) -> bytes:
    if phase == "advertise":
        return board.advertise()
    if phase == "mask":
        return board.mask(message, *part)
    return board.share(message) if phase == "share" else board.unmask(message)
