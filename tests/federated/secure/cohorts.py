"""Cohorts of boards with vectors, and a round that a test can reach into."""

import random
from collections.abc import Callable, Mapping

import numpy as np

from edgekit.array import Array
from edgekit.federated.secure import SecureServer, plan_sum
from edgekit.learning.federated.secure import PHASES, SecureBoard, SecureSettings
from edgekit.learning.federated.secure.fixed_point import quantised

Parts = dict[str, tuple[Array, int]]


def settings_for(boards: int, size: int = 20, session: bytes = b"a session's name", **more):
    return plan_sum(session, size, boards, largest=1.0, **{"samples": 50, **more})


def parts_of(settings: SecureSettings, boards: int, seed: int = 0) -> Parts:
    rng = np.random.default_rng(seed)
    return {
        f"board-{number}": (
            rng.normal(0, 0.4, settings.size).astype(np.float32),
            int(rng.integers(1, settings.samples + 1)),
        )
        for number in range(boards)
    }


def plain_sum(parts: Parts, among: set[str], settings: SecureSettings) -> Array:
    """What the secure sum must be: whole numbers, and the samples at the end."""
    return sum(quantised(*parts[name], settings) for name in sorted(among))


class Round:
    """A round, phase after phase, with every message at hand."""

    def __init__(self, settings: SecureSettings, boards: int, seed: int = 0) -> None:
        self.settings = settings
        self.parts = parts_of(settings, boards, seed)
        self.server = SecureServer(settings, invited=self.parts, rng=random.Random(seed))
        self.saved: dict[str, bytes] = {}
        self.boards = {name: self.board(name) for name in self.parts}
        self.asked: dict[str, bytes] = dict.fromkeys(self.parts, b"")
        self.answers: dict[tuple[str, str], bytes] = {}

    def board(self, name: str) -> SecureBoard:
        return SecureBoard(name, self.settings, save=self.saver(name))

    def saver(self, name: str) -> Callable[[bytes], object]:
        return lambda state: self.saved.__setitem__(name, state)

    def answer(self, name: str, phase: str) -> bytes:
        board, message = self.boards[name], self.asked[name]
        if phase == "advertise":
            return board.advertise()
        if phase == "mask":
            return board.mask(message, *self.parts[name])
        return board.share(message) if phase == "share" else board.unmask(message)

    def play(
        self,
        phases: tuple[str, ...] = PHASES,
        silent: Mapping[str, set[str]] | None = None,
    ) -> None:
        """Plays phases to their ends; who is silent in one is named by it."""
        for phase in phases:
            self.collect(phase, (silent or {}).get(phase, set()))
            self.asked = self.server.end_phase()

    def collect(self, phase: str, silent: set[str] = frozenset()) -> None:
        for name in sorted(self.asked.keys() - silent):
            self.answers[name, phase] = self.answer(name, phase)
            self.server.add(phase, name, self.answers[name, phase])
