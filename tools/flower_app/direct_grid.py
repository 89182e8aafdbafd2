"""Flower's grid without a network: hands messages to the example app's boards at once."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from flwr.app import Context, Error, Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from tools.flower_app.fleet import APP, Value

_CONFIG = {"epochs": 1, "rate": 0.1, "seed": 0}


def load_app(folder: str, module: str) -> Any:
    """The `app` of a module in an app's folder, as Flower loads it."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return import_module(module).app


class DirectGrid:
    """Boards in this process.

    Attributes:
        silent: nodes that never answer.
        tampers: what happens to a node's answer.
        nodes: who is online.
    """

    def __init__(self, boards: Sequence[Mapping[str, Value]]) -> None:
        self._app = load_app(str(APP), "board")
        TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1  # as in a ServerApp
        self._contexts = {
            100 + place: Context(1, 100 + place, dict(board), RecordDict(), dict(_CONFIG))
            for place, board in enumerate(boards)
        }
        self.nodes = list(self._contexts)
        self.silent: set[int] = set()
        self.tampers: dict[int, Callable[[Message], Message]] = {}

    def get_node_ids(self) -> list[int]:
        """Who is online."""
        return list(self.nodes)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """What boards answer, at once."""
        # Answers come in another order than the questions went.
        asked = [m for m in messages if m.metadata.dst_node_id not in self.silent]
        return [self._answered(message) for message in reversed(asked)]

    def _answered(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        try:
            answer = self._app(message, self._contexts[node])
        except Exception as error:
            answer = Message(Error(1, f"Traceback ...\n{error}"), reply_to=message)
        return self.tampers.get(node, lambda same: same)(answer)
