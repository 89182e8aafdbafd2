"""Sends what boards are told, and counts the bytes."""

from collections.abc import Callable
from dataclasses import dataclass

from edgekit.federated.coordinator.inviting import SeedOf, invitation
from edgekit.federated.coordinator.models import Models
from edgekit.federated.coordinator.seats import Reply, Seat
from edgekit.federated.job.opening import OpenJob
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import Receipt, Said, Secure, Want, encode
from edgekit.learning.federated.trainer import Guidance
from edgekit.messaging.topics import Topics

_LONGEST_WHY = 500


@dataclass
class Traffic:
    """Bytes of payloads since the last round.

    Attributes:
        up: from boards, chunks and all.
        down: to boards, and each download of a model.
    """

    up: int = 0
    down: int = 0


class Post:
    """To the boards of a job.

    Args:
        opened: the job.
        run: its running.
        models: shows models.
        publish: sends a payload to a topic.
        guidance: how to train from a version.
        seed_of: of each board's order of samples.
    """

    def __init__(
        self,
        opened: OpenJob,
        run: str,
        *,
        models: Models,
        publish: Callable[[str, bytes], None],
        guidance: Callable[[int], Guidance],
        seed_of: SeedOf,
    ) -> None:
        self.traffic = Traffic()
        self._opened, self._run, self._models = opened, run, models
        self._publish, self._guidance, self._seed_of = publish, guidance, seed_of
        self._chunk_bytes = opened.job.training.chunk_kb * 1024

    def invite(
        self,
        seat: Seat,
        now_s: float,
        secure: bytes | None = None,
        counted: int | None = None,
    ) -> None:
        """Invites a board; the model is there before it."""
        said = invitation(
            self._opened,
            seat,
            self._models.show(seat.version),
            self._guidance(seat.version),
            run=self._run,
            seed=self._seed_of(seat.number, seat.board),
            seconds=seat.due_s - now_s,
            secure=secure,
            counted=counted,
        )
        self._tell(seat.board, said)

    def reply(self, reply: Reply, run: str | None = None) -> None:
        """Sends a receipt; of another running where one is named."""
        why = reply.why[:_LONGEST_WHY]
        said = Receipt(run=run or self._run, round=reply.number, state=reply.state, why=why)
        self._tell(reply.board, said)

    def want(self, board: str, number: int, of: bytes, missing: tuple[int, ...]) -> None:
        """Asks for chunks again."""
        self._tell(board, Want(run=self._run, round=number, of=of, numbers=missing[:100_000]))

    def secure(self, board: str, number: int, phase: str, data: bytes) -> None:
        """Sends a message of secure aggregation."""
        self._tell(board, Secure(run=self._run, round=number, phase=phase, data=data))

    def downloaded(self, version: int) -> None:
        """A board has taken an invitation, and reads the model."""
        self.traffic.down += self._models.show(version).travels_bytes

    def _tell(self, board: str, said: Said) -> None:
        job = self._opened.job
        topic = Topics(job.fleet, board).federated(job.name, "down")
        for chunk in chunked(encode(said), self._chunk_bytes):
            self.traffic.down += len(chunk)
            self._publish(topic, chunk)
