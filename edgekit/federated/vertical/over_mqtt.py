"""Asks parties over MQTT, again and again until they answer."""

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from edgekit.errors import InputError, Unavailable
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.vertical.messages import decode_to_holder, name_of
from edgekit.messaging.incoming import Received
from edgekit.messaging.topics import FederatedTopics, Topics, place_of
from edgekit.messaging.wire import Wire


class MqttParties:
    """Inside its `with` block `ask` reaches the boards of one job.

    Args:
        link: to the broker.
        fleet: of the boards.
        job: its name on the boards.
        devices: each party's board.
        patience_s: how long a board may stay silent.
        again_s: after how long it is asked again; it learns nothing twice.
        chunk_bytes: the largest payload.
        limit_bytes: the longest answer.
    """

    def __init__(
        self,
        link: Wire,
        fleet: str,
        job: str,
        devices: Mapping[str, str],
        *,
        patience_s: float = 120.0,
        again_s: float = 5.0,
        chunk_bytes: int = 131_072,
        limit_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        if len(set(devices.values())) != len(devices):
            raise InputError("a board is named for two parties")
        self._link, self._devices = link, dict(devices)
        self._up = FederatedTopics(fleet, job).from_boards("up")
        self._down = {
            name: Topics(fleet, device).federated(job, "down") for name, device in devices.items()
        }
        self._patience_s, self._again_s, self._chunk_bytes = patience_s, again_s, chunk_bytes
        self._names = {device: name for name, device in devices.items()}
        self._inboxes = {name: Inbox(limit_bytes) for name in devices}
        self._waits: dict[str, bytes] = {}
        self._answers: dict[str, bytes] = {}
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._link.subscribe(self._up, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.unsubscribe(self._up, self._receive)

    def ask(self, messages: Mapping[str, bytes]) -> dict[str, bytes]:
        """Sends each party its message, and gives what each answered.

        Raises:
            Unavailable: a board did not answer in time; which.
        """
        with self._changed:
            self._answers = {}
            self._waits = {name: name_of(message) for name, message in messages.items()}
        deadline = time.monotonic() + self._patience_s
        while True:
            for name in self._missing():
                for chunk in chunked(messages[name], self._chunk_bytes):
                    self._link.publish(self._down[name], chunk)
            again_at = min(deadline, time.monotonic() + self._again_s)
            with self._changed:
                while self._missing() and (left_s := again_at - time.monotonic()) > 0:
                    self._changed.wait(left_s)
                if not (missing := self._missing()):
                    return dict(self._answers)
            if time.monotonic() >= deadline:
                silent = ", ".join(f"{name} ({self._devices[name]})" for name in missing)
                raise Unavailable(f"{silent}: no answer in {self._patience_s:g} s")

    def _missing(self) -> list[str]:
        return [name for name in self._waits if name not in self._answers]

    def _receive(self, message: Received) -> None:
        """Runs on the link's thread."""
        place = place_of(message.topic)
        name = None if place is None else self._names.get(place.device)
        if name is None or message.retain:
            return
        try:
            answer = self._inboxes[name].add(message.payload)
            if answer is None or decode_to_holder(answer).to != self._waits.get(name):
                return
        except InputError:
            return  # what cannot be read is asked for again
        with self._changed:
            self._answers[name] = answer
            self._changed.notify_all()
