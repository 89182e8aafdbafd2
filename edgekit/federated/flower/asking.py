"""Asks Flower's nodes, and gathers what comes until a deadline."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.serverapp import Grid


@dataclass(frozen=True)
class Wait:
    """How time passes.

    Attributes:
        clock: gives seconds that never run backwards.
        sleep: waits so many seconds.
        pause_s: between two looks for answers; Flower's own loop takes 3 s.
    """

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    pause_s: float = 0.5

    def pause(self) -> None:
        """Waits until the next look."""
        self.sleep(self.pause_s)


def answers(
    grid: "Grid", questions: Sequence["Message"], *, deadline_s: float, wait: Wait
) -> list["Message"]:
    """What nodes answer in time; what comes later is never looked at.

    Args:
        grid: Flower's way to its nodes.
        questions: for one node each.
        deadline_s: how long all of them may take.
        wait: how time passes.
    """
    end = wait.clock() + deadline_s
    open_ids = {name for name in grid.push_messages(list(questions)) if name}
    found: list[Message] = []
    while open_ids:
        came = list(grid.pull_messages(sorted(open_ids)))
        found += came
        open_ids -= {answer.metadata.reply_to_message_id for answer in came}
        if wait.clock() >= end:
            break
        if open_ids:
            wait.pause()
    return found
