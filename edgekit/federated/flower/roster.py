"""Which boards are there, by the names that they give themselves."""

from typing import TYPE_CHECKING

from edgekit.errors import InputError, Unavailable
from edgekit.federated.flower.asking import Wait
from edgekit.federated.flower.records import Board, introduction, question

if TYPE_CHECKING:
    from flwr.serverapp import Grid

_AGAIN_S = 60.0


class Roster:
    """Asks each new node of Flower's who it is, and waits for none.

    The first node of a name keeps it for as long as it is online: Flower knows nodes by their
    keys, not by what they call themselves.

    Args:
        grid: Flower's way to its nodes.
        wait: how time passes.
    """

    def __init__(self, grid: "Grid", wait: Wait | None = None) -> None:
        self._grid, self._wait = grid, wait or Wait()
        self._known: dict[int, Board] = {}
        self._asked: dict[int, tuple[str, float]] = {}

    def online(self) -> dict[str, Board]:
        """All boards that are there now and have said who they are, by name."""
        nodes = set(self._grid.get_node_ids())
        self._known = {node: board for node, board in self._known.items() if node in nodes}
        self._asked = {node: asked for node, asked in self._asked.items() if node in nodes}
        self._ask(sorted(nodes - self._known.keys()))
        self._listen()
        found: dict[str, Board] = {}
        for board in self._known.values():
            found.setdefault(board.name, board)
        return found

    def await_boards(self, count: int, patience_s: float) -> dict[str, Board]:
        """All boards, once there are so many.

        Raises:
            Unavailable: there are still too few.
        """
        end = self._wait.clock() + patience_s
        while len(found := self.online()) < count:
            if self._wait.clock() >= end:
                raise Unavailable(
                    f"{len(found)} of {count} boards are online after {patience_s:g} s; "
                    "see the log of flower-supernode on the others"
                )
            self._wait.pause()
        return found

    def _ask(self, nodes: list[int]) -> None:
        """Asks those that have not been asked lately."""
        now = self._wait.clock()
        due = [n for n in nodes if n not in self._asked or now - self._asked[n][1] >= _AGAIN_S]
        if due:
            ids = self._grid.push_messages([question(node) for node in due])
            self._asked |= {node: (name, now) for node, name in zip(due, ids, strict=False) if name}

    def _listen(self) -> None:
        waiting = [name for node, (name, _) in self._asked.items() if node not in self._known]
        if not waiting:
            return
        came = self._grid.pull_messages(waiting)
        for answer in sorted(came, key=lambda answer: answer.metadata.src_node_id):
            try:
                board = introduction(answer)
            except InputError:
                continue  # it is asked again later
            if board.node in self._asked:
                self._known[board.node] = board
