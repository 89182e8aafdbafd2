"""What rounds over Flower are asked for, and what each came to."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class FlowerPlan:
    """What is to be played.

    Attributes:
        rounds: how many.
        epochs: of each board in each round.
        rate: the learning rate.
        seed: of all that chance does.
        codec: how updates travel, see `edgekit.learning.federated.codecs.codec_of`.
        boards: how many must be online before a round begins.
        deadline_s: who has not answered by then takes no part in the round.
        patience_s: how long to wait for that many boards.
        longest: the largest norm of an update; others are refused.
    """

    rounds: int
    epochs: int = 1
    rate: float = 0.1
    seed: int = 0
    codec: str = "float32"
    boards: int = 1
    deadline_s: float = 600.0
    patience_s: float = 600.0
    longest: float | None = None

    def order_seed(self, number: int, board: int) -> list[int]:
        """Of a board's order of samples: as in a simulation with 1,000 clients or fewer.

        Args:
            number: of the round, from 1.
            board: its number in the fleet.
        """
        return [1000 * number + board, self.seed]


@dataclass(frozen=True, kw_only=True)
class FlowerRound:
    """What one round came to.

    Attributes:
        number: from 1.
        updates: how many were combined.
        refused: whose were not, and why; also boards whose training failed.
        silent: who did not answer in time.
        bytes_up: of all updates as they travel, without what Flower adds.
        update_divergence: see `edgekit.federated.measures`; 0 where nothing was combined.
        failed: why the round was not combined; the model stayed as it was.
        accuracy: of the global model on the test samples, where there are some.
        loss: of it on them.
    """

    number: int
    updates: int
    refused: Mapping[str, str]
    silent: tuple[str, ...]
    bytes_up: int
    update_divergence: float
    failed: str | None = None
    accuracy: float | None = None
    loss: float | None = None
