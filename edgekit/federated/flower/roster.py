"""Which boards are there, by the names that they give themselves."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgekit.errors import InputError, Unavailable
from edgekit.federated.flower.records import Board, introduction, question

if TYPE_CHECKING:
    from flwr.serverapp import Grid

_PAUSE_S = 1.0
_ANSWER_S = 60.0


class Roster:
    """Asks each new node of Flower's once who it is.

    The first node of a name keeps it for as long as it is online: Flower knows nodes by their
    keys, not by what they call themselves.

    Args:
        grid: Flower's way to its nodes.
        clock: gives seconds that never run backwards.
        pause: waits so many seconds.
    """

    def __init__(
        self,
        grid: "Grid",
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._grid, self._clock, self._pause = grid, clock, pause
        self._known: dict[int, Board] = {}

    def online(self) -> dict[str, Board]:
        """All boards that are there now, by name."""
        nodes = set(self._grid.get_node_ids())
        self._known = {node: board for node, board in self._known.items() if node in nodes}
        new = sorted(nodes - self._known.keys())
        if new:
            asked = [question(node) for node in new]
            for answer in self._grid.send_and_receive(asked, timeout=_ANSWER_S):
                try:
                    board = introduction(answer)
                except InputError:
                    continue  # it is asked again the next time
                if board.node in new:
                    self._known[board.node] = board
        found: dict[str, Board] = {}
        for board in self._known.values():
            found.setdefault(board.name, board)
        return found

    def await_boards(self, count: int, patience_s: float) -> dict[str, Board]:
        """All boards, once there are so many.

        Raises:
            Unavailable: there are still too few.
        """
        end = self._clock() + patience_s
        while len(found := self.online()) < count:
            if self._clock() >= end:
                raise Unavailable(
                    f"{len(found)} of {count} boards are online after {patience_s:g} s; "
                    "see the log of flower-supernode on the others"
                )
            self._pause(_PAUSE_S)
        return found
