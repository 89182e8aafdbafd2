"""A coordinator that does what a test tells it, over a real broker."""

import hashlib
import queue
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from edgekit.array import Array
from edgekit.daemon.standing import status_of
from edgekit.learning.federated.framing import (
    Chunk,
    chunked,
    decode_chunk,
    decode_update,
    round_of_update,
)
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import Answer, Invite, Receipt, decode, encode
from edgekit.learning.federated.messages import encode_model as encoded_model
from edgekit.learning.federated.update import Update, shapes_of
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import FederatedReady, decode_federated_ready
from edgekit.messaging.topics import FederatedTopics, Topics
from tests.broker import settings_for
from tools.private_broker import PrivateBroker

PATIENCE_S = 30.0
RUN = "0123456789abcdef"
CHUNK_BYTES = 4096
JOB = "digits"


class Coordinator:
    """Speaks to boards of the fleet `test`; what they say comes by `next_*`.

    Attributes:
        link: to the broker.
        heard: what boards said, in whole messages: the device, and the bytes.
        ready: what boards said of themselves.
        heard_chunks: all chunks that came.
        last_no: why a board last said no.
        last_ready: what `next_ready` gave last.
    """

    def __init__(self, broker: PrivateBroker, *, fleet: str = "test") -> None:
        self.fleet, self.topics = fleet, FederatedTopics(fleet, JOB)
        self.link = MqttLink(settings_for(broker), Topics(fleet, "coordinator"), status_of("c", {}))
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.ready: queue.Queue[tuple[str, FederatedReady]] = queue.Queue()
        self.heard_chunks: list[Chunk] = []
        self.last_no = ""
        self.last_ready: FederatedReady | None = None
        self._inboxes: dict[str, Inbox] = {}
        self._models: dict[bytes, int] = {}

    def publish_model(
        self,
        parameters: Mapping[str, Array],
        *,
        number: int = 1,
        version: int = 0,
        control: Mapping[str, Array] | None = None,
        leave_out: tuple[int, ...] = (),
    ) -> tuple[bytes, int]:
        """Lays a model out for all boards; gives its name and how long it is."""
        message = encoded_model(
            parameters, run=RUN, number=number, version=version, control=control
        )
        chunks = chunked(message, CHUNK_BYTES)
        name = name_of(message)
        for at, chunk in enumerate(chunks):
            if at not in leave_out:
                self.link.publish(self.topics.model(name, at), chunk, retain=True)
        return name, len(message)

    def invite(self, device: str, model: tuple[bytes, int], **more: Any) -> Invite:
        """Invites a board."""
        given: dict[str, Any] = {
            "run": RUN,
            "round": 1,
            "version": 0,
            "model": model[0],
            "model_bytes": model[1],
            "epochs": 2,
            "rate": 0.1,
            "chunk_bytes": CHUNK_BYTES,
            "seconds": 60.0,
        }
        invite = Invite(**given | more)
        self.tell(device, encode(invite))
        return invite

    def tell(self, device: str, message: bytes) -> None:
        """Says something to a board."""
        topic = Topics(self.fleet, device).federated(JOB, "down")
        for chunk in chunked(message, CHUNK_BYTES):
            assert self.link.publish(topic, chunk)

    def receipt(self, device: str, invite: Invite, state: str, why: str = "") -> None:
        """Says what became of an update."""
        said = Receipt(run=invite.run, round=invite.round, state=state, why=why)  # type: ignore[arg-type]
        self.tell(device, encode(said))

    def next(self) -> tuple[str, bytes]:
        """What a board says next."""
        try:
            return self.heard.get(timeout=PATIENCE_S)
        except queue.Empty:
            pytest.fail("no board said anything")

    def next_message(self, part: bytes) -> bytes:
        """The next message with that in it."""
        while True:
            if part in (message := self.next()[1]):
                return message

    def next_no(self) -> str:
        """Why a board says no next; all else is passed over."""
        while True:
            _, answer = self.next_answer()
            if not answer.accepts:
                self.last_no = answer.why
                return answer.why

    def next_answer(self) -> tuple[str, Answer]:
        """The next answer; updates are passed over."""
        while True:
            device, message = self.next()
            if b"say" in message and isinstance(said := decode(message), Answer):
                return device, said

    def next_update(self, parameters: Mapping[str, Array]) -> tuple[Update, tuple[str, int]]:
        """The next update, and which round it is for; answers are passed over."""
        while True:
            device, message = self.next()
            if b"change" not in message:
                continue
            update = decode_update(message, shapes_of(parameters))
            assert update.client == device
            round_id = round_of_update(message)
            assert round_id is not None
            return update, round_id

    def next_ready(self, *, willing: bool | None = None) -> FederatedReady:
        """What a board says of itself next, with such a will."""
        while True:
            try:
                _, ready = self.ready.get(timeout=PATIENCE_S)
            except queue.Empty:
                pytest.fail("no board said that it is ready")
            if willing is None or ready.willing is willing:
                self.last_ready = ready
                return ready

    def _hear(self, message: Received) -> None:
        device = message.topic.split("/")[3]
        self.heard_chunks.append(decode_chunk(message.payload))
        inbox = self._inboxes.setdefault(device, Inbox(1 << 24))
        if (whole := inbox.add(message.payload)) is not None:
            self.heard.put((device, whole))

    def _hear_ready(self, message: Received) -> None:
        if message.payload:
            device = message.topic.split("/")[3]
            self.ready.put((device, decode_federated_ready(message.payload)))


@contextmanager
def coordinating(broker: PrivateBroker) -> Iterator[Coordinator]:
    """A coordinator that is connected."""
    coordinator = Coordinator(broker)
    link = coordinator.link
    link.subscribe(coordinator.topics.from_boards("up"), coordinator._hear)
    link.subscribe(coordinator.topics.from_boards("ready"), coordinator._hear_ready)
    with link:
        assert link.wait_connected(PATIENCE_S)
        yield coordinator


def name_of(message: bytes) -> bytes:
    """What `chunked` calls a message."""
    return hashlib.sha256(message).digest()[:16]
