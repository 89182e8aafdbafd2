"""Asks parties over MQTT, again and again until they answer."""

import time
from collections.abc import Mapping

from edgekit.errors import InputError, Unavailable
from edgekit.federated.coordinator.line import Line
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.vertical.messages import decode_to_holder, name_of
from edgekit.messaging.line import Heard
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import FEDERATED_PREFIX, Topics, place_of

LONGEST_BYTES = 64 * 1024 * 1024
"""Of one answer."""


def vertical_line(settings: MqttSettings, fleet: str, job: str) -> Line:
    """The label holder's connection."""
    return Line(
        settings,
        f"edgekit-{fleet}-{job}-holder",
        mark=f"{FEDERATED_PREFIX}/{fleet}/{job}/mark/holder",
        most_bytes=2 * LONGEST_BYTES,
        sender_of=lambda topic: topic,
    )


class MqttParties:
    """`ask` reaches the boards of one job.

    Args:
        line: the label holder's, open.
        fleet: of the boards.
        job: its name on the boards.
        devices: each party's board.
        patience_s: how long a board may stay silent.
        again_s: after how long it is asked again; it learns nothing twice.
        chunk_bytes: the largest payload.

    Raises:
        Unavailable: the broker does not let us listen.
    """

    def __init__(
        self,
        line: Line,
        fleet: str,
        job: str,
        devices: Mapping[str, str],
        *,
        patience_s: float = 120.0,
        again_s: float = 5.0,
        chunk_bytes: int = 131_072,
    ) -> None:
        self._line, self._devices = line, dict(devices)
        self._down = {
            name: Topics(fleet, device).federated(job, "down") for name, device in devices.items()
        }
        self._patience_s, self._again_s, self._chunk_bytes = patience_s, again_s, chunk_bytes
        self._names = {device: name for name, device in devices.items()}
        self._inboxes = {name: Inbox(LONGEST_BYTES) for name in devices}
        line.listen([Topics(fleet, device).federated(job, "up") for device in devices.values()])

    def ask(self, messages: Mapping[str, bytes]) -> dict[str, bytes]:
        """Sends each party its message, and gives what each answered.

        Raises:
            Unavailable: a board did not answer in time; which.
        """
        wanted = {name: name_of(message) for name, message in messages.items()}
        answers: dict[str, bytes] = {}
        deadline = time.monotonic() + self._patience_s
        while missing := [name for name in wanted if name not in answers]:
            if time.monotonic() >= deadline:
                silent = ", ".join(f"{name} ({self._devices[name]})" for name in missing)
                raise Unavailable(f"{silent}: no answer in {self._patience_s:g} s")
            for name in missing:
                for chunk in chunked(messages[name], self._chunk_bytes):
                    self._line.publish(self._down[name], chunk)
            again_at = min(deadline, time.monotonic() + self._again_s)
            while len(answers) < len(wanted) and (left_s := again_at - time.monotonic()) > 0:
                for heard in self._line.gather(left_s, 0.0):
                    found = self._answer(heard, wanted)
                    if found is not None:
                        answers[found[0]] = found[1]
        return answers

    def _answer(self, heard: Heard, wanted: Mapping[str, bytes]) -> tuple[str, bytes] | None:
        """Who answered, and what, where this is the end of an answer that is waited for."""
        place = place_of(heard.topic)
        name = None if place is None else self._names.get(place.device)
        if name is None:
            return None
        try:
            answer = self._inboxes[name].add(heard.payload)
            if answer is None or decode_to_holder(answer).to != wanted.get(name):
                return None
        except InputError:
            return None  # what cannot be read is asked for again
        return name, answer
