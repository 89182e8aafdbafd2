"""A round whose updates are seen as their sum alone: how its four phases go on."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import ceil, prod

import numpy as np

from edgekit.errors import InputError
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.model import GlobalModel
from edgekit.federated.secure import SecureServer, SecureSum, plan_sum
from edgekit.learning.federated.secure.settings import (
    PHASES,
    SESSION_BYTES,
    SecureSettings,
    encode_settings,
)
from edgekit.learning.federated.update import as_arrays


@dataclass(frozen=True)
class Ask:
    """A message of secure aggregation for a board; its answer belongs to the phase."""

    board: str
    phase: str
    data: bytes


class SecureRound:
    """Leads one sum through its phases. It is in memory alone: after a crash another is begun.

    Args:
        settings: of the sum.
        invited: who takes part.
        answer_s: how long boards may take to answer, but for the training.
        due_s: when the whole round is over.
        now_s: since 1970.

    Raises:
        InputError: the settings are not safe, or `cryptography` is missing.
    """

    def __init__(
        self,
        settings: SecureSettings,
        invited: Collection[str],
        *,
        answer_s: float,
        due_s: float,
        now_s: float,
    ) -> None:
        self.settings = encode_settings(settings)
        self._server = SecureServer(settings, invited=invited)
        self._answer_s, self._due_s = answer_s, due_s
        self._phase_ends_s = now_s + self._short_s(now_s)
        self._asked: dict[str, Ask] = {}

    def add(self, board: str, phase: str, data: bytes) -> Sequence[Ask]:
        """Takes a board's answer.

        Returns:
            What it may have missed, where it says again what it said in an earlier phase.

        Raises:
            MessageRefused: the answer is wrong.
        """
        if phase in PHASES and phase != self._server.phase and self._is_over(phase):
            return self.again(board)
        self._server.add(phase, board, data)
        return ()

    def again(self, board: str) -> Sequence[Ask]:
        """What a board was asked last, where it has not answered."""
        if board in self._server.waiting and board in self._asked:
            return (self._asked[board],)
        return ()

    def step(self, now_s: float, holding: Collection[str]) -> Sequence[Ask]:
        """Goes on where the phase is over: all have answered that are waited for, or time is up.

        Args:
            now_s: since 1970.
            holding: which boards are still waited for.

        Raises:
            RoundFailed: too few boards are left, or what they told gives no sum.
        """
        if not self._server.phase:
            return ()
        if now_s < self._phase_ends_s and self._server.waiting & set(holding):
            return ()
        answers = self._server.end_phase()
        phase = self._server.phase
        short_s = self._short_s(now_s)
        if phase == "unmask":
            self._phase_ends_s = self._due_s
        else:  # boards still train when they are asked to mask what comes of it
            self._phase_ends_s = self._due_s - short_s if phase == "mask" else now_s + short_s
        self._asked = {board: Ask(board, phase, data) for board, data in answers.items()}
        return list(self._asked.values())

    @property
    def ends_s(self) -> float:
        """When the phase is over at the latest."""
        return self._phase_ends_s

    @property
    def sum(self) -> SecureSum | None:
        """The sum, once all phases are over."""
        return None if self._server.phase else self._server.result()

    def _short_s(self, now_s: float) -> float:
        return min(self._answer_s, max(0.0, self._due_s - now_s) / 4)

    def _is_over(self, phase: str) -> bool:
        due = self._server.phase
        return not due or PHASES.index(phase) < PHASES.index(due)


def settings_for(opened: OpenJob, boards: int, samples: int) -> SecureSettings:
    """The settings of a new sum.

    Args:
        opened: the job.
        boards: how many are invited.
        samples: the most that one of them says it has.

    Raises:
        InputError: no such sum is safe.
    """
    table, mechanism = opened.job.secure, opened.mechanism
    assert table is not None
    least = max(ceil(table.threshold * boards), boards // 2 + 1)
    largest = table.clip
    if mechanism is not None and (order := mechanism.order) is not None:
        if boards < mechanism.sharers:
            raise InputError(
                f"{boards} boards are fewer than the {mechanism.sharers} whose noise makes a round "
                "private"
            )
        least = max(least, mechanism.sharers)
        largest = order.largest
        samples = 1  # a board's weight must not depend on its data
    return plan_sum(
        secrets.token_bytes(SESSION_BYTES),
        sum(prod(shape) for shape in opened.shapes.values()),
        boards,
        largest=largest,
        samples=max(1, min(samples, opened.job.limits.samples)),
        least=least,
    )


def moved_by(opened: OpenJob, model: GlobalModel, found: SecureSum) -> GlobalModel:
    """The next model: by the mean change; with noise, by the sum over the expected boards."""
    mechanism = opened.mechanism
    vector = found.mean if mechanism is None else found.vector / mechanism.expected
    return model.moved(as_arrays(np.asarray(vector, np.float64), opened.shapes))
