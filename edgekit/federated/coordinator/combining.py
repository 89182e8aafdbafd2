"""From the updates of a round to the next global model, and what is measured of them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edgekit.federated.coordinator.mail import Delivery
from edgekit.federated.job.opening import OpenJob
from edgekit.federated.measures import update_divergence
from edgekit.federated.model import GlobalModel, RoundFailed
from edgekit.learning.federated.checks import UpdateRefused, check_update
from edgekit.learning.federated.framing import decode_update
from edgekit.learning.federated.update import Update


@dataclass(frozen=True)
class Combined:
    """The next model, judged.

    Attributes:
        model: with its version.
        accuracy: on the held-out samples; `None` where they have no classes.
        loss: on them.
        divergence: of the updates; `None` where there are none, or they are not seen.
    """

    model: GlobalModel
    accuracy: float | None
    loss: float
    divergence: float | None


def checked(opened: OpenJob, board: str, version: int, delivery: Delivery) -> Update:
    """The update that a board delivered.

    Args:
        opened: the job.
        board: who sent it, as the broker says.
        version: what it had to begin with.
        delivery: as it came.

    Raises:
        InputError: it is wrong; the text, or `why`, says how.
    """
    update = decode_update(delivery.message, opened.shapes)
    if update.client != board:
        raise UpdateRefused(board, f"it says that it is of {update.client[:64]!r}")
    check_update(update, opened.limits(version))
    if opened.needs_control and not update.control:
        raise UpdateRefused(board, "it sent no control variate, which scaffold needs")
    return update


def combined(
    opened: OpenJob, model: GlobalModel, messages: Iterable[tuple[int, str, bytes]]
) -> Combined:
    """Combines updates that were checked when they came.

    Args:
        opened: the job.
        model: what is to be moved.
        messages: round, board and update.

    Raises:
        RoundFailed: the strategy cannot combine them, or what it makes of them is not finite.
    """
    updates = [decode_update(message, opened.shapes) for _, _, message in messages]
    updates.sort(key=lambda update: (update.client, update.version))
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            moved = opened.strategy.combine(model, updates)
    except ArithmeticError as error:
        raise RoundFailed(f"the updates cannot be combined: {error}") from error
    if not all(np.isfinite(array).all() for array in moved.parameters.values()):
        raise RoundFailed("the updates together make numbers that are not finite; set limits.clip")
    return judged(opened, moved, update_divergence(updates) if updates else None)


def judged(opened: OpenJob, model: GlobalModel, divergence: float | None) -> Combined:
    """A model with its accuracy and loss."""
    accuracy, loss = opened.judged(model.parameters)
    return Combined(model, accuracy, loss, divergence)
