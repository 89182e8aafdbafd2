"""Boards of federated rounds, as many as are wanted in one process, which may also misbehave."""

import queue
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.array import Array
from edgekit.daemon.federated.delivery import SecureDelivery
from edgekit.learning.federated.codecs import codec_of
from edgekit.learning.federated.framing import chunked, encode_update
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.messages import (
    Answer,
    Invite,
    Model,
    Receipt,
    Secure,
    Want,
    decode,
    encode,
    parameters_of,
)
from edgekit.learning.federated.secure.settings import PHASES
from edgekit.learning.federated.trainer import Guidance, LocalTrainer
from edgekit.learning.federated.update import Update, shapes_of
from edgekit.messaging.payloads import Status, Versions
from edgekit.messaging.payloads import encode as encode_payload
from edgekit.messaging.payloads.federated import FederatedReady
from edgekit.messaging.topics import FEDERATED_PREFIX, PREFIX, Topics

_LIMIT_BYTES = 64 << 20

Train = Callable[[str, Mapping[str, Array], Mapping[str, Array], Invite], Update]
"""From a board, the global parameters, its control variate's guide and the invitation."""


@dataclass
class Script:
    """How a board behaves; by default well.

    Attributes:
        accepts: what it answers; `None` for nothing at all.
        delivers: whether it sends what it trained.
        changed: what it makes of its update.
        sent: what it sends for an update's message: payloads for `up`.
        waits: holds its training until it is set.
        before: what it sends before it trains: payloads for `up`.
        drops: the phase of a secure sum in which it goes offline, before it answers.
    """

    accepts: bool | None = True
    why: str = "on battery"
    delivers: bool = True
    changed: Callable[[Update], Update] = field(default=lambda update: update)
    sent: Callable[[bytes, Invite], Sequence[bytes]] | None = None
    waits: threading.Event | None = None
    before: Callable[[Invite], Sequence[bytes]] = field(default=lambda invite: ())
    drops: str = ""


@dataclass
class ScriptedBoard:
    """One board.

    Attributes:
        name: its device name.
        script: how it behaves.
        pending: the newest update that has no receipt: its invitation and its payloads.
        receipts: what it was told: round, state and why.
        invited: every invitation it got.
        secure: its part of a secure sum.
        said: all that it said in the sum.
    """

    name: str
    samples: int
    classes: tuple[float, ...] | None = None
    script: Script = field(default_factory=Script)
    boot: str = "boot1"
    online: bool = True
    willing: bool = True
    pending: tuple[Invite, Sequence[bytes]] | None = None
    open: Invite | None = None
    receipts: list[tuple[int, str, str]] = field(default_factory=list)
    invited: list[Invite] = field(default_factory=list)
    secure: SecureDelivery | None = None
    said: list[bytes] = field(default_factory=list)


class Crowd:
    """Boards behind one connection to a broker, in the `with` block.

    Args:
        host: of the broker.
        port: of it.
        fleet: of all boards.
        job: that they take part in.
        step: that they train.
        boards: who there is.
        train: makes updates.
        shapes: of what is shared.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        fleet: str,
        job: str,
        step: str,
        boards: Iterable[ScriptedBoard],
        train: Train,
        shapes: Mapping[str, tuple[int, ...]],
    ) -> None:
        self.boards = {board.name: board for board in boards}
        self.bytes_up = self.bytes_down = 0
        self.payload_bytes_up = 0
        self.trained_s = 0.0
        self._host, self._port = host, port
        self._fleet, self._job, self._step = fleet, job, step
        self._train, self._shapes = train, dict(shapes)
        self._queue: queue.SimpleQueue[tuple[str, bytes] | None] = queue.SimpleQueue()
        self._inboxes: dict[str, Inbox] = {}
        self._models: dict[bytes, Model] = {}
        self._lacking: dict[bytes, list[tuple[ScriptedBoard, Invite]]] = {}
        self._held: list[tuple[ScriptedBoard, Invite]] = []
        self._changed = threading.Condition()
        self._client = client = Client(
            CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5
        )
        client.max_inflight_messages_set(1000)
        client.reconnect_delay_set(1, 1)
        client.on_connect = lambda *_: self._queue.put(("", b""))
        client.on_message = self._on_message
        self._worker = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        hello = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        hello.ReceiveMaximum = 65_535
        self._client.connect(self._host, self._port, properties=hello)
        self._client.loop_start()
        self._worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._queue.put(None)
        self._worker.join()
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self, holds: Callable[[], bool], timeout_s: float = 30.0) -> bool:
        """Waits until something about the boards is so; says whether it is."""
        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    def share(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Says which parameters the models hold, before the `with` block."""
        self._shapes = dict(shapes)

    def tell(self, board: ScriptedBoard) -> None:
        """Publishes how a board is now."""
        topics = Topics(self._fleet, board.name)
        status = Status(
            state="online" if board.online else "offline",
            boot=board.boot,
            versions=Versions(edgekit="0", python="3", onnxruntime="1"),
        )
        ready = FederatedReady(
            boot=board.boot,
            step=self._step,
            willing=board.willing,
            samples=board.samples,
            classes=board.classes,
        )
        self._client.publish(topics.status, encode_payload(status), 1, True)
        if board.online:
            ready_topic = topics.federated(self._job, "ready")
            self._client.publish(ready_topic, encode_payload(ready), 1, True)

    def send(self, board: str, payload: bytes) -> None:
        """Publishes a payload at a board's `up`."""
        with self._changed:
            self.bytes_up += len(payload)
        self._client.publish(Topics(self._fleet, board).federated(self._job, "up"), payload, 1)

    def release(self) -> None:
        """Looks again at boards that wait for their events."""
        self._queue.put(("held", b""))

    def _on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        self._queue.put((message.topic, bytes(message.payload)))

    def _work(self) -> None:
        while (found := self._queue.get()) is not None:
            topic, payload = found
            if not topic:
                self._connected()
            elif topic == "held":
                held, self._held = self._held, []
                for board, invite in held:
                    self._take_part(board, invite)
            elif payload:
                self._hear(topic, payload)
            with self._changed:
                self._changed.notify_all()

    def _connected(self) -> None:
        self._client.subscribe(f"{PREFIX}/{self._fleet}/+/fl/{self._job}/down", 1)
        for board in self.boards.values():
            self.tell(board)
        for name in self._lacking:
            self._subscribe(name)
        for board in self.boards.values():
            if board.pending is not None and board.online:
                for payload in board.pending[1]:
                    self.send(board.name, payload)

    def _subscribe(self, name: bytes) -> None:
        topic = f"{FEDERATED_PREFIX}/{self._fleet}/{self._job}/model/{name.hex()}/+"
        self._client.subscribe(topic, 1)

    def _hear(self, topic: str, payload: bytes) -> None:
        inbox = self._inboxes.setdefault(topic.rpartition("/")[0], Inbox(_LIMIT_BYTES))
        message = inbox.add(payload)
        if topic.startswith(FEDERATED_PREFIX):
            if message is not None:
                self._model(bytes.fromhex(topic.split("/")[-2]), message)
            return
        board = self.boards.get(topic.split("/")[3])
        with self._changed:
            self.bytes_down += len(payload)
        if message is None or board is None or not board.online:
            return
        said = decode(message)
        if isinstance(said, Invite):
            self._invited(board, said)
        elif isinstance(said, Receipt):
            board.receipts.append((said.round, said.state, said.why))
            if board.pending is not None and board.pending[0].round == said.round:
                board.pending = None
            if board.open is not None and board.open.round == said.round:
                board.open = None
        elif isinstance(said, Secure) and board.secure is not None and board.open is not None:
            self._say(board, board.open, board.secure.heard(said))
        elif isinstance(said, Want) and board.pending is not None:
            payloads = board.pending[1]
            for number in said.numbers or range(len(payloads)):
                self.send(board.name, payloads[number])

    def _invited(self, board: ScriptedBoard, invite: Invite) -> None:
        board.invited.append(invite)
        again = board.open is not None and board.open.round == invite.round
        if board.pending is not None and board.pending[0].round == invite.round:
            for payload in board.pending[1]:
                self.send(board.name, payload)
            return
        board.open = invite
        accepts = board.script.accepts
        if accepts is None:
            return
        said = Answer(
            run=invite.run,
            round=invite.round,
            accepts=accepts,
            why="" if accepts else board.script.why,
        )
        for payload in chunked(encode(said), invite.chunk_bytes):
            self.send(board.name, payload)
        if again and board.secure is not None:
            self._say(board, invite, board.secure.again())
        if not accepts or again:
            return
        if invite.secure is not None:
            board.secure = SecureDelivery(board.name, invite, self._shapes, save=lambda state: None)
            board.said.clear()
            self._say(board, invite, board.secure.begin())
        if invite.model in self._models:
            self._take_part(board, invite)
            return
        if invite.model not in self._lacking:
            self._subscribe(invite.model)
        self._lacking.setdefault(invite.model, []).append((board, invite))

    def _say(self, board: ScriptedBoard, invite: Invite, messages: Sequence[bytes]) -> None:
        """Sends a board's part of a secure sum, unless it has dropped out."""
        for message in messages:
            said = decode(message)
            assert isinstance(said, Secure)
            if board.script.drops and PHASES.index(said.phase) >= PHASES.index(board.script.drops):
                board.online = False
                self.tell(board)
                return
            board.said.append(message)
            for payload in chunked(message, invite.chunk_bytes):
                self.send(board.name, payload)

    def _model(self, name: bytes, message: bytes) -> None:
        model = decode(message)
        assert isinstance(model, Model)
        with self._changed:
            self.bytes_down += len(message)
        self._models[name] = model
        topic = f"{FEDERATED_PREFIX}/{self._fleet}/{self._job}/model/{name.hex()}/+"
        self._client.unsubscribe(topic)
        for board, invite in self._lacking.pop(name, []):
            self._take_part(board, invite)

    def _take_part(self, board: ScriptedBoard, invite: Invite) -> None:
        script = board.script
        now = board.open
        if now is None or (now.run, now.round) != (invite.run, invite.round):
            return
        if not script.delivers:
            return
        if script.waits is not None and not script.waits.is_set():
            self._held.append((board, invite))
            return
        for payload in script.before(invite):
            self.send(board.name, payload)
        parameters, control = parameters_of(self._models[invite.model], self._shapes)
        update = script.changed(self._train(board.name, parameters, control, invite))
        message = encode_update(update, codec_of(invite.codec), run=invite.run, number=invite.round)
        if board.secure is not None and invite.secure is not None:
            self._say(board, invite, board.secure.trained(message))
            return
        payloads = (
            chunked(message, invite.chunk_bytes)
            if script.sent is None
            else list(script.sent(message, invite))
        )
        with self._changed:
            self.payload_bytes_up += sum(map(len, payloads))
        board.pending = (invite, payloads)
        for payload in payloads:
            self.send(board.name, payload)


def real_training(
    trainer: LocalTrainer, samples: Mapping[str, tuple[Array, ...]], seed: int = 0
) -> Train:
    """Boards train as real ones do.

    Args:
        trainer: of the step.
        samples: of each board.
        seed: beside that of the invitation.
    """
    controls: dict[str, dict[str, Array]] = {}

    def train(
        name: str, parameters: Mapping[str, Array], control: Mapping[str, Array], invite: Invite
    ) -> Update:
        whole = trainer.parameters | dict(parameters)
        guidance = Guidance(invite.epochs, invite.rate, invite.proximal, control)
        update = trainer.train(
            name,
            whole,
            samples[name],
            guidance,
            seed=(invite.seed, seed),
            version=invite.version,
            control=controls.get(name),
        )
        assert update is not None
        if update.control:
            before = controls.get(name, {})
            controls[name] = {
                n: before.get(n, np.float32(0)) + moved for n, moved in update.control.items()
            }
        change = {n: array for n, array in update.change.items() if n in parameters}
        return Update(name, update.version, update.samples, update.steps, change, update.control)

    return train


def random_training(seed: int = 0) -> Train:
    """Boards send small noise: what rounds cost beside training."""
    rng = np.random.default_rng(seed)

    def train(
        name: str, parameters: Mapping[str, Array], control: Mapping[str, Array], invite: Invite
    ) -> Update:
        change: dict[str, Any] = {
            n: (0.001 * rng.standard_normal(array.shape)).astype(np.float32)
            for n, array in parameters.items()
        }
        return Update(name, invite.version, 32, 1, change)

    return train


__all__ = [
    "Crowd",
    "Script",
    "ScriptedBoard",
    "random_training",
    "real_training",
    "shapes_of",
]
