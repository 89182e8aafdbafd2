"""Many boards' connections to one broker, each its own, driven by one thread."""

import heapq
import queue
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.errors import InputError
from edgekit.messaging.payloads import DeployDesired, DeployStatus, decode_deploy_desired, encode
from edgekit.messaging.topics import Topics
from tools.fleet.board import SimulatedBoard

_KEEPALIVE_S = 60
_MISC_EVERY_S = 5.0
_BACK_AFTER_S = (0.2, 1.0)
_AGAIN_AFTER_S = (0.2, 1.0)

Job = tuple[SimulatedBoard, DeployDesired]


class Crowd:
    """Boards that are online inside the `with` block, and follow hints on a few threads.

    Attributes:
        sent: how many messages the boards sent.
        received: how many hints they got.
        count_bytes: of payloads, both ways.
    """

    def __init__(
        self,
        boards: Sequence[SimulatedBoard],
        *,
        fleet: str,
        bundle: str,
        host: str,
        port: int,
        workers: int = 2,
    ) -> None:
        """Prepares."""
        self.boards = {board.name: board for board in boards}
        self.sent = self.received = self.count_bytes = 0
        self._fleet, self._bundle = fleet, bundle
        self._host, self._port = host, port
        self._clients: dict[str, Client] = {}
        self._due: list[tuple[float, int, str]] = []  # reconnects
        self._count = 0
        self._outgoing: deque[tuple[str, DeployStatus]] = deque()
        self._orders: deque[tuple[str, str]] = deque()  # come, or leave
        self._jobs: queue.PriorityQueue[tuple[float, int, Job | None]] = queue.PriorityQueue()
        self._changed = threading.Condition()
        self._present: set[str] = set()
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._woken.setblocking(False)
        self._closing = False
        self._threads = [threading.Thread(target=self._run, name="crowd")]
        self._threads += [threading.Thread(target=self._work) for _ in range(workers)]

    def __enter__(self) -> Self:
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self.come(*self.boards)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        self._ring()
        for _ in self._threads[1:]:
            self._jobs.put((-1.0, self._next(), None))
        for thread in self._threads:
            thread.join()
        for name in list(self._clients):
            self._cut(name)
        self._selector.close()
        self._wake.close()
        self._woken.close()

    def come(self, *names: str) -> None:
        """Has boards connect."""
        self._orders.extend(("come", name) for name in names)
        self._ring()

    def leave(self, *names: str) -> None:
        """Cuts boards off, as if their power had failed."""
        self._orders.extend(("leave", name) for name in names)
        self._ring()

    def wait_online(self, count: int, timeout_s: float) -> bool:
        """Waits until exactly so many boards are connected; says whether they are."""
        return self.wait_until(lambda: len(self._present) == count, timeout_s)

    def wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Waits for what boards do; says whether it came about."""
        with self._changed:
            return self._changed.wait_for(holds, timeout_s)

    # What follows runs on the crowd's thread.

    def _run(self) -> None:
        misc_at = time.monotonic() + _MISC_EVERY_S
        while not self._closing:
            for key, mask in self._selector.select(self._patience_s(misc_at)):
                if key.data is None:
                    with suppress(BlockingIOError):
                        self._woken.recv(4096)
                else:
                    self._serve(key.data, mask)
            while self._orders:
                order, name = self._orders.popleft()
                (self._connect if order == "come" else self._cut)(name)
            while self._due and self._due[0][0] <= time.monotonic():
                self._connect(heapq.heappop(self._due)[2])
            while self._outgoing:
                name, status = self._outgoing.popleft()
                self._publish_deploy(name, status)
            if time.monotonic() >= misc_at:
                misc_at = time.monotonic() + _MISC_EVERY_S
                for client in self._clients.values():
                    client.loop_misc()

    def _patience_s(self, misc_at: float) -> float:
        until = min([misc_at, *(due for due, _, _ in self._due[:1])])
        return max(0.0, until - time.monotonic())

    def _connect(self, name: str) -> None:
        board, topics = self.boards[name], Topics(self._fleet, name)
        client = Client(
            CallbackAPIVersion.VERSION2, f"board-{name}", protocol=MQTTProtocolVersion.MQTTv5
        )
        client.will_set(topics.status, encode(board.status("offline")), 1, True)
        client.on_connect = partial(self._on_connect, name)
        client.on_message = partial(self._on_message, name)
        client.on_socket_close = partial(self._on_close, name)
        reading, writing = selectors.EVENT_READ, selectors.EVENT_READ | selectors.EVENT_WRITE
        client.on_socket_open = lambda _, __, sock: self._watch(sock, reading, name)
        client.on_socket_register_write = lambda _, __, sock: self._watch(sock, writing, name)
        client.on_socket_unregister_write = lambda _, __, sock: self._watch(sock, reading, name)
        self._clients[name] = client
        try:
            client.connect(self._host, self._port, _KEEPALIVE_S)
        except OSError:
            self._later(name)

    def _serve(self, name: str, mask: int) -> None:
        client = self._clients[name]
        if mask & selectors.EVENT_READ:
            client.loop_read()
        if mask & selectors.EVENT_WRITE and client.socket() is not None:
            client.loop_write()

    def _on_connect(self, name: str, client: Client, *_: Any) -> None:
        board = self.boards[name]
        topics = Topics(self._fleet, name)
        self._publish(client, topics.status, encode(board.status("online")))
        if board.told is not None:
            self._publish_deploy(name, board.told)
        client.subscribe(topics.deploy_desires, qos=1)
        with self._changed:
            self._present.add(name)
            self._changed.notify_all()

    def _on_message(self, name: str, client: Client, _: object, message: MQTTMessage) -> None:
        self.received += 1
        self.count_bytes += len(message.payload)
        if not message.payload:
            return
        with suppress(InputError):
            job = self.boards[name], decode_deploy_desired(bytes(message.payload))
            self._jobs.put((time.monotonic(), self._next(), job))

    def _on_close(self, name: str, client: Client, _: object, sock: Any) -> None:
        self._forget(name, sock)
        if self._clients.get(name) is client and not self._closing:
            self._later(name)

    def _later(self, name: str) -> None:
        after_s = random.uniform(*_BACK_AFTER_S)
        heapq.heappush(self._due, (time.monotonic() + after_s, self._next(), name))

    def _watch(self, sock: Any, events: int, name: str) -> None:
        if sock.fileno() in self._selector.get_map():
            self._selector.modify(sock, events, name)
        else:
            self._selector.register(sock, events, name)

    def _cut(self, name: str) -> None:
        self._due = [each for each in self._due if each[2] != name]
        heapq.heapify(self._due)
        if (sock := self._clients.pop(name).socket()) is not None:
            self._forget(name, sock)
            sock.close()  # without a goodbye, so that the broker gives the last will

    def _forget(self, name: str, sock: Any) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(sock)
        with self._changed:
            self._present.discard(name)
            self._changed.notify_all()

    def _publish_deploy(self, name: str, status: DeployStatus) -> None:
        client = self._clients.get(name)
        if client is not None and client.is_connected():
            self._publish(
                client, Topics(self._fleet, name).deploy_status(self._bundle), encode(status)
            )

    def _publish(self, client: Client, topic: str, payload: bytes) -> None:
        client.publish(topic, payload, 1, True)
        self.sent += 1
        self.count_bytes += len(payload)

    # What follows runs on the workers' threads.

    def _work(self) -> None:
        while True:
            due_s, _, job = self._jobs.get()
            if job is None:
                return
            if (wait_s := due_s - time.monotonic()) > 0:
                self._jobs.put((due_s, self._next(), job))
                time.sleep(min(wait_s, 0.05))
                continue
            board, wish = job
            with board.busy:
                again = board.follow(wish, partial(self._tell, board.name))
            if again and not self._closing:
                again_s = time.monotonic() + random.uniform(*_AGAIN_AFTER_S)
                self._jobs.put((again_s, self._next(), job))

    def _tell(self, name: str, status: DeployStatus) -> None:
        self._outgoing.append((name, status))
        self._ring()
        with self._changed:
            self._changed.notify_all()

    def _ring(self) -> None:
        with suppress(OSError):
            self._wake.send(b"!")

    def _next(self) -> int:
        self._count += 1
        return self._count
