"""A Sparkplug B edge node beside edgekit's own messages, over a connection of its own.

It needs its own, since a connection has one will, and Sparkplug's has to be the NDEATH.
"""

import contextlib
import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage

from edgekit.errors import InputError
from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.client import connect, new_client
from edgekit.messaging.discovery import Task
from edgekit.messaging.outgoing import Publication
from edgekit.messaging.payloads import Infer, Metrics
from edgekit.messaging.refusals import Complaints, why_refused, why_unreachable
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.sparkplug_payload import commands_in, need_protobuf
from edgekit.messaging.sparkplug_session import REBIRTH, SparkplugSession

_log = logging.getLogger(__name__)
_NAMESPACE = "spBv1.0"
_FILE = "sparkplug-bdseq"
_ANSWER_TIMEOUT_S = 10.0
_CLOSE_S = 1.0


class SparkplugNode:
    """Inside its `with` block the board is an edge node `spBv1.0/<group>/.../<node>`.

    It is born at each connect and whenever a host asks for a rebirth; values that change are sent
    as they do, those that change faster than the network takes them as their newest. Nothing is
    kept for later: after a time without a broker the birth says how things are. Takes values from
    any thread, without ever making the caller wait.
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        group: str,
        node: str,
        pipelines: Mapping[str, Task],
        state: Path | None = None,
        backoff: Callable[[], Iterator[float]] = jittered_backoff,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Prepares; the `with` block starts it.

        Args:
            settings: the broker; its `client_id` gets `-sparkplug` behind it.
            group: the group id.
            node: the edge node id.
            pipelines: what each one's model does.
            state: the state directory, where `bdSeq` outlives the program.
            backoff: gives the seconds to wait before each attempt after a failure.
            now_ms: milliseconds since 1970, UTC.

        Raises:
            ConfigError: protobuf is not installed, or the broker's files cannot be used.
        """
        need_protobuf()
        self._settings = settings
        self._tls = settings.tls_context()
        self._client_id = f"{settings.client_id or f'edgekit-{group}-{node}'}-sparkplug"
        self._topic = f"{_NAMESPACE}/{group}/{{}}/{node}"
        self._file = None if state is None else state / _FILE
        self._bdseq = _read_number(self._file)
        self._backoff = backoff
        self._now_ms = now_ms
        self._lock = threading.Lock()  # guards the session
        self._session = SparkplugSession(pipelines)
        self._born = False
        self._must_be_born = False
        self._closing = threading.Event()
        self._bell, self._alarm = socket.socketpair()
        self._bell.setblocking(False)
        self._alarm.setblocking(False)
        self._trouble = Complaints(_log)
        self._thread = threading.Thread(target=self._run, name="sparkplug", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._wake()
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self._bell.close()
            self._alarm.close()

    def predicted(self, message: Infer) -> None:
        """Takes a prediction."""
        with self._lock:
            self._session.predicted(message)
        self._wake()

    def measured(self, message: Metrics) -> None:
        """Takes a metrics message."""
        with self._lock:
            self._session.measured(message, at_ms=self._now_ms())
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # a full one has been rung already
            self._alarm.send(b"!")

    # What follows runs on the node's own thread.

    def _run(self) -> None:
        delays = self._backoff()
        while not self._closing.is_set():
            client = self._new_client()
            try:
                connect(client, self._settings)
                self._serve(client)
            except (OSError, UnicodeError) as error:
                ca = str(self._settings.ca) if self._settings.ca else None
                self._complain(why_unreachable(error, tls=self._settings.encrypted, ca=ca))
            except Exception as error:  # paho raises all sorts at bytes that are not MQTT
                self._complain(f"it does not speak MQTT: {type(error).__name__}: {error}")
            finally:
                if (connection := client.socket()) is not None:
                    connection.close()
            if self._born:
                delays = self._backoff()
            self._born = False
            self._closing.wait(next(delays))

    def _new_client(self) -> Client:
        """With the next `bdSeq` in its will."""
        with self._lock:
            death = self._session.death(self._bdseq, at_ms=self._now_ms())
        will = Publication(self._topic.format("NDEATH"), death)
        client = new_client(self._settings, self._client_id, self._tls, will=will)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        self._must_be_born = False
        return client

    def _serve(self, client: Client) -> None:
        answer_by = time.monotonic() + _ANSWER_TIMEOUT_S
        events = select.poll()
        events.register(self._bell, select.POLLIN)
        while (connection := client.socket()) is not None and not self._closing.is_set():
            if not self._born and not self._must_be_born and time.monotonic() > answer_by:
                raise TimeoutError
            self._speak(client)
            wanted = select.POLLIN | (select.POLLOUT if client.want_write() else 0)
            events.register(connection.fileno(), wanted)
            decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending()
            events.poll(0 if decrypted else 1000)
            with contextlib.suppress(BlockingIOError):
                self._bell.recv(4096)
            client.loop_read()
            client.loop_write()
            client.loop_misc()
        if self._born and client.socket() is not None:
            self._say_goodbye(client)

    def _speak(self, client: Client) -> None:
        if client.want_write():
            return
        with self._lock:
            if self._must_be_born:
                kind, payload = "NBIRTH", self._session.birth(at_ms=self._now_ms())
                self._must_be_born, self._born = False, True
            elif self._born and self._session.has_news:
                kind, payload = "NDATA", self._session.data(at_ms=self._now_ms())
            else:
                return
        client.publish(self._topic.format(kind), payload, qos=0)

    def _say_goodbye(self, client: Client) -> None:
        """The broker keeps the will to itself after a goodbye, so the NDEATH is said before it."""
        with self._lock:
            death = self._session.death((self._bdseq - 1) % 256, at_ms=self._now_ms())
        client.publish(self._topic.format("NDEATH"), death, qos=0)
        client.disconnect()
        deadline = time.monotonic() + _CLOSE_S / 2
        while client.want_write() and time.monotonic() < deadline:
            client.loop_write()

    def _on_connect(self, client: Client, _: object, flags: Any, code: Any, more: Any) -> None:
        if code.is_failure:
            self._complain(why_refused(code.value, str(code)))
            return
        self._bdseq = (self._bdseq + 1) % 256  # it counts connections
        _write_number(self._file, self._bdseq)
        client.subscribe(self._topic.format("NCMD"), qos=1)
        self._must_be_born = True
        self._trouble.all_well()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        try:
            asked = commands_in(bytes(message.payload))
        except InputError as error:
            self._trouble.make("command", f"sparkplug: passed over a command: {error}")
            return
        if asked.get(REBIRTH) and not message.retain:
            self._must_be_born = True

    def _complain(self, reason: str) -> None:
        text = f"sparkplug: no MQTT broker at {self._settings.address}: {reason} (trying on)"
        self._trouble.make(reason, text)


def _read_number(file: Path | None) -> int:
    try:
        return int(file.read_text(encoding="ascii")) % 256 if file is not None else 0
    except (OSError, ValueError):
        return 0


def _write_number(file: Path | None, number: int) -> None:
    """Only tells births apart, so that a power cut may cost it."""
    if file is not None:
        with contextlib.suppress(OSError):
            new = file.with_suffix(".new")
            new.write_text(str(number), encoding="ascii")
            new.replace(file)
