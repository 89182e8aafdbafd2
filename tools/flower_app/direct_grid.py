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


def act_as_server() -> None:
    """Gives this process what Flower gives to a ServerApp's: without it no message can be made."""
    TaskIdentity.run_id = TaskIdentity.node_id = TaskIdentity.task_id = 1


class DirectGrid:
    """Boards in this process.

    Attributes:
        silent: nodes that say who they are, and never answer when asked to train.
        tampers: what happens to a node's answer when it was asked to train.
        nodes: who is online.
    """

    def __init__(self, boards: Sequence[Mapping[str, Value]]) -> None:
        self._app = load_app(str(APP), "board")
        act_as_server()
        self._contexts = {
            100 + place: Context(1, 100 + place, dict(board), RecordDict(), dict(_CONFIG))
            for place, board in enumerate(boards)
        }
        self._answers: dict[str, Message] = {}
        self._pushed = 0
        self.nodes = list(self._contexts)
        self.silent: set[int] = set()
        self.tampers: dict[int, Callable[[Message], Message]] = {}

    def get_node_ids(self) -> list[int]:
        """Who is online."""
        return list(self.nodes)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Hands messages over; their names."""
        names = []
        for message in messages:
            self._pushed += 1
            names.append(f"message {self._pushed}")
            message.metadata.__dict__["_message_id"] = names[-1]
            is_silent = message.metadata.dst_node_id in self.silent
            if message.metadata.message_type != "train" or not is_silent:
                self._answers[names[-1]] = self._answered(message)
        return names

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Answers that are there, the last first: the order means nothing."""
        there = [name for name in message_ids if name in self._answers]
        return [self._answers.pop(name) for name in reversed(there)]

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """What boards answer, at once."""
        return self.pull_messages(self.push_messages(messages))

    def _answered(self, message: Message) -> Message:
        node = message.metadata.dst_node_id
        try:
            answer: Message = self._app(message, self._contexts[node])
        except Exception as error:
            answer = Message(Error(1, f"Traceback ...\n{error}"), reply_to=message)
        tamper = self.tampers.get(node)
        return (
            answer if tamper is None or message.metadata.message_type != "train" else tamper(answer)
        )
