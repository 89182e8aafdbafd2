"""Where rollouts speak: beside the boards' topics, so that no filter of a board's reaches there."""

from dataclasses import dataclass
from typing import Literal

from edgekit.messaging.topics import check_name

PREFIX = "edgekit/rollouts/v1"
"""What every topic of a rollout starts with."""

Part = Literal["plan", "wish", "progress"]
PARTS: tuple[Part, ...] = ("plan", "wish", "progress")


@dataclass(frozen=True)
class RolloutTopics:
    """The topics of the rollouts of one fleet.

    Raises:
        InputError: the fleet's name cannot stand in a topic.
    """

    fleet: str

    def __post_init__(self) -> None:
        check_name("fleet", self.fleet)

    @property
    def everything(self) -> str:
        """The filter of all that is said of the fleet's rollouts."""
        return f"{PREFIX}/{self.fleet}/+/+"

    def of(self, part: Part, rollout: str) -> str:
        """One part of one rollout; retained.

        Raises:
            InputError: the rollout's name cannot stand in a topic.
        """
        check_name("rollout", rollout)
        return f"{PREFIX}/{self.fleet}/{part}/{rollout}"

    def place(self, topic: str) -> tuple[Part, str] | None:
        """Which part of which rollout a topic is; `None` where it is neither."""
        start, _, rollout = topic.rpartition("/")
        for part in PARTS:
            if start == f"{PREFIX}/{self.fleet}/{part}" and rollout:
                return part, rollout
        return None


def mark(client_id: str) -> str:
    """Where a workstation speaks to itself, to see that it has heard all before it."""
    return f"edgekit/rollouts/mark/{client_id}"
