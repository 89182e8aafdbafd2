"""The link to the broker: one thread that connects, keeps trying, and hands messages over."""

import logging
import math
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgekit.errors import ConfigError
from edgekit.messaging.backoff import jittered_backoff
from edgekit.messaging.bell import Bell
from edgekit.messaging.client import connect, new_client, publish
from edgekit.messaging.complaining import BrokerComplaints
from edgekit.messaging.departures import Departures
from edgekit.messaging.greetings import Greetings
from edgekit.messaging.incoming import Handler, Incoming, Received
from edgekit.messaging.outbox import Outbox, Priority
from edgekit.messaging.outgoing import LinkCounts, Outgoing, Publication
from edgekit.messaging.payloads import Status, encode
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topic_filter import is_topic
from edgekit.messaging.topics import Topics

__all__ = ["LinkCounts", "MqttLink", "MqttSettings", "Received", "jittered_backoff"]

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 10.0
_IN_FLIGHT = 20
_LOOK_S = 0.05


class MqttLink:
    """Keeps a board connected to its broker, and publishes without ever making the caller wait.

    Inside its `with` block a thread connects, and connects again after any failure. On every
    connect it publishes `status` (retained, QoS 1); the last will is the same status, offline.
    An absent, refusing or broken broker raises nothing: it is logged once a reason, with what to
    do, and again every ten minutes.

    What is published durably waits in the outbox, which keeps it until the broker has confirmed
    it. All else waits in memory, at most `max_queued` messages, the oldest making room; what the
    broker did not confirm by the end of the process is lost. Within that QoS 1 messages arrive at
    least once, in order but for what is sent again after a connection was lost.

    Each connection gets a paho client of its own, driven from our thread through paho's interface
    for outside event loops: paho's own thread dies for good when a broker sends what it cannot
    parse, sleeps a whole second at a time when asked to stop, and its queue cannot drop the oldest.
    """

    def __init__(
        self,
        settings: MqttSettings,
        topics: Topics,
        status: Status,
        *,
        outbox: Outbox | None = None,
        backoff: Callable[[], Iterator[float]] = jittered_backoff,
    ) -> None:
        """Prepares the link; the `with` block starts it.

        Args:
            settings: the broker.
            topics: where this board speaks.
            status: what it says of itself when it is online.
            outbox: what keeps messages on the disk; opened before the link and closed after it.
            backoff: gives the seconds to wait before each attempt after a failure.

        Raises:
            ConfigError: the `ca`, `certificate` or `key` file cannot be used.
        """
        self._settings = settings
        self._topics = topics
        self._status = status
        self._backoff = backoff
        self._tls = settings.tls_context()
        self._client_id = settings.client_id or f"edgekit-{topics.fleet}-{topics.device}"
        self._outgoing = Outgoing(settings.max_queued)
        self._incoming = Incoming(log, max_payload_bytes=settings.max_received_bytes)
        self._changed = threading.Condition()  # guards all that follows, and _outgoing
        self._connected = False
        self._outbox = outbox
        self._close_by: float | None = None
        self._greetings = Greetings(log)
        self._complaints = BrokerComplaints(log, settings, self._client_id)
        self._departures = Departures(
            self._outgoing, outbox, too_large=self._complaints.message_too_large
        )
        self._bell = Bell()
        self._thread = threading.Thread(target=self._run, name="mqtt-link", daemon=True)
        if outbox is not None:
            outbox.attach(
                self._bell.ring, lambda letter: self.publish(letter.topic, letter.payload, qos=1)
            )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close("stopped" if kind is None else f"stopped by {kind.__name__}")

    @property
    def counts(self) -> LinkCounts:
        """What became of the messages so far."""
        with self._changed:
            return self._outgoing.counts

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection still stands."""
        return self._connected

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        correlation_data: bytes | None = None,
    ) -> bool:
        """Queues a message; from any thread, and at once, whether or not a broker is there.

        Args:
            topic: where to; without wildcards.
            payload: the bytes.
            qos: 0 or 1.
            retain: whether the broker keeps it for later subscribers.
            correlation_data: which question this answers; left out with MQTT 3.1.1.

        Returns:
            Whether it was taken; not once the link is closing, nor while `max_queued` messages
            are in flight. Where the line is full the oldest message in it is dropped and counted.

        Raises:
            ValueError: a topic or a QoS that cannot be.
        """
        if qos not in (0, 1) or not is_topic(topic):
            raise ValueError(f"cannot publish to {topic!r} with QoS {qos}")
        with self._changed:
            if self._close_by is not None:
                return False
            taken = self._outgoing.add(Publication(topic, payload, qos, retain, correlation_data))
        self._bell.ring()
        return taken

    def publish_durably(
        self, topic: str, payload: bytes, *, priority: Priority = Priority.TELEMETRY
    ) -> bool:
        """Hands a QoS 1 message to the outbox; where there is none, it is published from memory.

        Args:
            topic: where to; without wildcards.
            payload: a JSON object without a `hist` of its own; it gets one when it is sent late.
            priority: telemetry makes room for events.

        Returns:
            Whether it was taken; it is on the disk a little later.

        Raises:
            ValueError: a topic that cannot be.
        """
        if self._outbox is None:
            return self.publish(topic, payload, qos=1)
        return not self._outbox.put(topic, payload, priority=priority).is_lost

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Has a handler called with every message of some topics, on this and all connections.

        From any thread, before or after the start. Handlers run on the link's thread and must not
        block; what one raises is logged and ends nothing. What the broker has retained comes at
        every connect, and again to all handlers of a filter where one joins them.

        Args:
            topic_filter: which topics, with `+` and `#` as MQTT has them.
            handler: takes each message.
            qos: at which the broker sends at most: 0 or 1.

        Raises:
            ValueError: a filter or a QoS that cannot be.
        """
        self._incoming.add(topic_filter, handler, qos)
        self._bell.ring()

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Ends what `subscribe` began: for one handler of the filter, or for all."""
        self._incoming.remove(topic_filter, handler)
        self._bell.ring()

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Has a handler called on the link's thread after each connect, the status being out.

        It is for publishing again what a broker may have lost. Where the connection stands
        already, the handler is called at once.
        """
        self._greetings.add(handler)
        self._bell.ring()

    def off_connect(self, handler: Callable[[], None]) -> None:
        """Ends what `on_connect` began."""
        self._greetings.remove(handler)

    def tell_status(self, status: Status) -> None:
        """Publishes another status, now and at each later connect. From any thread."""
        with self._changed:
            self._status = status
            if self._connected and self._close_by is None:
                self._announce(status)
        self._bell.ring()

    def wait_connected(self, timeout_s: float) -> bool:
        """Waits until the broker has accepted us; says whether it has."""
        return self._wait_until(lambda: self._connected, timeout_s)

    def wait_until_acknowledged(self, timeout_s: float) -> bool:
        """Waits until nothing waits for the broker's answer any more; says whether that is so."""
        return self._wait_until(lambda: not self._departures.waits, timeout_s)

    def close(self, reason: str = "stopped", *, timeout_s: float = 1.0) -> None:
        """Says goodbye and stops, within the time given even where the broker is dead.

        Half the time goes to messages that still wait. Then the status goes offline with the
        reason; where the broker does not confirm that, the connection is cut without a goodbye,
        so that the last will says it.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            if self._close_by is None:
                self._wait_until(
                    lambda: not self._connected or not self._departures.is_busy, timeout_s / 2
                )
                self._announce(self._status.offline(reason))
                self._close_by = deadline
                self._changed.notify_all()
        self._bell.ring()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        with self._changed:
            if left := self._outgoing.abandon():
                log.warning("MQTT link closed; %d messages never reached the broker", left)
            self._changed.notify_all()

    def _wait_until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        """Waits for what the link or its outbox does."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not holds():
                if (left_s := deadline - time.monotonic()) <= 0:
                    return False
                self._changed.wait(left_s if self._outbox is None else min(left_s, _LOOK_S))
            return True

    # What follows runs on the link's own thread.

    def _run(self) -> None:
        with self._bell:
            delays = self._backoff()
            while self._close_by is None:
                if self._connect_and_serve():
                    delays = self._backoff()
                with self._changed:
                    self._changed.wait_for(lambda: self._close_by is not None, next(delays))

    def _connect_and_serve(self) -> bool:
        """Goes through one connection, from its first attempt to its loss; was there one?"""
        client = self._new_client()
        before = self._complaints.count
        try:
            connect(client, self._settings)
            self._serve(client)
        except (OSError, UnicodeError) as error:
            self._complaints.unreachable(error)
        except Exception as error:  # paho raises all sorts at bytes that are not MQTT
            self._complaints.not_mqtt(error)
            log.debug("while talking to %s", self._settings.address, exc_info=True)
        finally:
            if (connection := client.socket()) is not None:
                connection.close()
            with self._changed:
                was_connected, self._connected = self._connected, False
                self._departures.connection_lost()
                self._changed.notify_all()
        if self._close_by is None and self._complaints.count == before:
            (self._complaints.lost if was_connected else self._complaints.never_answered)()
        return was_connected

    def _new_client(self) -> Client:
        try:
            self._tls = self._settings.tls_context()  # its files may be new
        except ConfigError as error:
            self._complaints.unusable_files(error)
        offline = self._status.offline("the connection was lost")
        will = Publication(self._topics.status, encode(offline), retain=True)
        client = new_client(self._settings, self._client_id, self._tls, will=will)
        self._complaints.last_error = ""
        client.on_log = lambda _client, _data, level, text: self._complaints.overhear(level, text)
        client.on_connect = lambda _client, _data, _flags, code, more: self._on_connect(code, more)
        client.on_disconnect = lambda _client, _data, flags, code, _more: self._on_disconnect(
            flags, code
        )
        client.on_publish = lambda _client, _data, packet_id, code, _more: self._on_publish(
            packet_id, code
        )
        client.on_message = lambda _client, _data, message: self._incoming.receive(message)
        client.on_subscribe = lambda _client, _data, packet_id, codes, _more: (
            self._incoming.answered(packet_id, codes)
        )
        return client

    def _serve(self, client: Client) -> None:
        """Moves bytes both ways until the connection ends or closing is over."""
        answer_by = time.monotonic() + _ANSWER_TIMEOUT_S
        events = select.poll()
        events.register(self._bell, select.POLLIN)
        while (connection := client.socket()) is not None and not self._may_leave(client):
            if not self._connected and time.monotonic() > answer_by:
                raise TimeoutError
            self._hand_over(client)
            if self._connected and self._departures.status is None:
                self._greetings.say()
            wanted = select.POLLIN | (select.POLLOUT if client.want_write() else 0)
            events.register(connection.fileno(), wanted)
            decrypted = isinstance(connection, ssl.SSLSocket) and connection.pending()
            events.poll(0 if decrypted else self._patience_ms(client))
            self._bell.hush()
            client.loop_read()
            client.loop_write()
            client.loop_misc()

    def _may_leave(self, client: Client) -> bool:
        """In closing, disconnects once the goodbye is confirmed. True then, or when time is up."""
        with self._changed:
            if self._close_by is None:
                return False
            if self._departures.has_status:
                return not self._connected or time.monotonic() >= self._close_by
        client.disconnect()
        return True

    def _patience_ms(self, client: Client) -> int:
        wait_s = 1.0  # for paho's keep-alive; nearly everything else wakes us
        if self._connected and not client.want_write():
            stored_s = self._departures.wait_s()
            wait_s = wait_s if stored_s is None else min(wait_s, stored_s)
        if self._close_by is not None:
            wait_s = min(wait_s, self._close_by - time.monotonic())
        return max(1, math.ceil(1000 * wait_s))

    def _hand_over(self, client: Client) -> None:
        with self._changed:
            if self._connected:
                self._incoming.tell(client)  # before what was published after it was wished for
            while self._connected and not client.want_write():
                if (item := self._departures.next()) is None:
                    return
                packet_id = publish(client, self._settings, item.publication)
                self._departures.handed_over(item, packet_id)
                self._changed.notify_all()

    def _on_connect(self, code: ReasonCode, more: Properties | None) -> None:
        if code.is_failure:
            self._complaints.turned_away(code.value, str(code))
            return
        with self._changed:
            self._connected = True
            window = min(_IN_FLIGHT, getattr(more, "ReceiveMaximum", _IN_FLIGHT))
            self._departures.connected(window, getattr(more, "MaximumPacketSize", None))
            numbers = getattr(more, "SubscriptionIdentifierAvailable", 1)
            self._incoming.connected(uses_numbers=more is not None and bool(numbers))
            if self._close_by is None:
                self._greetings.are_due()
                self._announce(self._status)
            self._changed.notify_all()
        self._complaints.all_well()
        log.info("connected to the MQTT broker at %s", self._settings.address)

    def _on_disconnect(self, flags: DisconnectFlags, code: ReasonCode) -> None:
        if flags.is_disconnect_packet_from_server:
            self._complaints.turned_away(code.value, str(code))

    def _on_publish(self, packet_id: int, code: ReasonCode) -> None:
        with self._changed:
            topic = self._departures.confirmed(packet_id, code.value)
            self._changed.notify_all()
        if code.is_failure:
            topic = topic or self._topics.status
            self._complaints.message_refused(topic, code.value, str(code))

    def _announce(self, status: Status) -> None:
        self._departures.status = Publication(self._topics.status, encode(status), retain=True)
