"""What a board is told when it is invited."""

import hashlib
from collections.abc import Callable

from edgekit.federated.coordinator.models import Shown
from edgekit.federated.coordinator.seats import Seat
from edgekit.federated.job.opening import OpenJob
from edgekit.learning.federated.messages import Invite, Privacy
from edgekit.learning.federated.trainer import Guidance

SeedOf = Callable[[int, str], int]
"""From a round and a board to the seed of its order of samples, below 2^31."""


def seeds(seed: int) -> SeedOf:
    """Seeds that look random, and are the same for the same job, round and board."""

    def of(number: int, board: str) -> int:
        digest = hashlib.sha256(f"{seed}/{number}/{board}".encode()).digest()
        return int.from_bytes(digest[:4]) & 0x7FFFFFFF

    return of


def invitation(
    opened: OpenJob,
    seat: Seat,
    shown: Shown,
    guidance: Guidance,
    *,
    run: str,
    seed: int,
    seconds: float,
    secure: bytes | None = None,
    counted: int | None = None,
) -> Invite:
    """An invitation.

    Args:
        opened: the job.
        seat: whose.
        shown: the model to begin with.
        guidance: how to train.
        run: the job's running.
        seed: of the order of samples.
        seconds: that are left.
        secure: settings of secure aggregation.
        counted: the round of the board's last update that was stored.
    """
    training = opened.job.training
    order = None if opened.mechanism is None else opened.mechanism.order
    return Invite(
        run=run,
        round=seat.number,
        version=seat.version,
        model=shown.name,
        model_bytes=shown.size_bytes,
        epochs=guidance.epochs,
        rate=guidance.rate,
        proximal=guidance.proximal,
        seed=seed,
        codec=training.codec,
        chunk_bytes=training.chunk_kb * 1024,
        seconds=max(1.0, seconds),
        privacy=None if order is None else Privacy(clip=order.longest, deviation=order.deviation),
        secure=secure,
        personal=training.personal,
        counted=counted,
    )
