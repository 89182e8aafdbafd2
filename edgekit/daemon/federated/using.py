"""Answers with what was learned, as soon as it was, where that suits the board's own samples."""

from collections.abc import Callable, Sequence

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Bundle
from edgekit.daemon.federated.persistence import Kept
from edgekit.errors import InputError
from edgekit.learning.federated.trainer import LocalTrainer
from edgekit.runtime.session import Session


def learned_session(
    bundle: Bundle, kept: Kept, samples: Callable[[], Sequence[Array]]
) -> Session | None:
    """A session of the bundle with the global model's parameters and the board's own.

    Nobody has judged these parameters as golden vectors judge a bundle. So they are used only
    where their loss on the board's samples is not above that of the bundle's.

    Args:
        bundle: what the pipeline runs.
        kept: what the board learned.
        samples: gives what it learned from.

    Returns:
        The session, or `None` where nothing was learned yet.

    Raises:
        InputError: they are worse, or the bundle's input is none of the step's.
    """
    from edgekit.learning.engine import LearnedEngine

    if not kept.model:
        return None
    folder = bundle.path / "train"
    trainer = LocalTrainer(folder)
    first = trainer.parameters
    learned: dict[str, Array] = {**first, **kept.model, **kept.own}
    held = samples()
    (before, _), (after, _) = (trainer.evaluate(p, held) for p in (first, learned))
    if not after <= before:
        raise InputError(
            f"its loss on this board's samples is {after:.4g}, the bundle's {before:.4g}"
        )
    del trainer
    session = Session(bundle, LearnedEngine(folder, learned))
    given = session.artifact.input
    session.engine.run(np.zeros(given.shape, given.dtype))  # refuses what does not fit
    return session
