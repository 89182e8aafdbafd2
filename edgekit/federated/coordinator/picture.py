"""What the coordinator knows of each board of its fleet."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from edgekit.messaging.payloads import Status
from edgekit.messaging.payloads.federated import FederatedReady


@dataclass(frozen=True)
class Board:
    """A board, as it last spoke of itself.

    Attributes:
        name: its device name.
        online: whether its status says so.
        boot: changes at each start.
        step: which training step it runs.
        willing: whether it would take part now.
        samples: how many it has.
        why: why it is not willing.
        classes: how many samples of each class it has, where it tells.
    """

    name: str
    online: bool = False
    boot: str = ""
    step: str = ""
    willing: bool = False
    samples: int = 0
    why: str = ""
    classes: tuple[float, ...] | None = None

    def with_status(self, status: Status) -> "Board":
        """The board after a `status`."""
        return replace(self, online=status.state == "online")

    def with_ready(self, ready: FederatedReady) -> "Board":
        """The board after a `ready`."""
        return replace(
            self,
            boot=ready.boot,
            step=ready.step,
            willing=ready.willing,
            samples=ready.samples,
            why=ready.why or "",
            classes=ready.classes,
        )

    def absence(self, step: str) -> str | None:
        """Why it cannot take part in a job with this step now; `None` where it can."""
        if not self.online:
            return "offline"
        if not self.step:
            return "no part of the job"
        if self.step != step:
            return "another step"
        return None if self.willing else (self.why or "not willing")


def there(boards: Mapping[str, Board], step: str) -> list[str]:
    """The names of those that can take part now, sorted."""
    return sorted(name for name, board in boards.items() if board.absence(step) is None)


def absences(boards: Iterable[Board], step: str) -> dict[str, int]:
    """How many boards that have spoken of the job cannot take part now, by the reason."""
    found: dict[str, int] = {}
    for board in boards:
        if board.step and (why := board.absence(step)) is not None:
            found[why] = found.get(why, 0) + 1
    return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
