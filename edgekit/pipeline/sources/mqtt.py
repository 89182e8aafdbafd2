"""Gives rows of what sensors publish at the board's broker."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Protocol, Self

from edgekit.messaging.incoming import Handler, Received
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.mqtt_rows import Arrival, MessageRows

_LARGEST_PAYLOAD_BYTES = 65536


class Subscribing(Protocol):
    """What the source needs of the board's link; `edgekit.messaging.link.MqttLink` has it."""

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        """Has a handler called with every message of some topics."""

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        """Ends that."""

    def on_connect(self, handler: Callable[[], None]) -> None:
        """Has a handler called after each connect."""

    def off_connect(self, handler: Callable[[], None]) -> None:
        """Ends that."""


class MqttSource:
    """The rows that messages make by a rule.

    The link's thread only notes each message and when it came; at most `capacity` wait for the
    work. What finds no room, is too large, or may have been sent while the board was not
    connected is a gap, and said. A retained message is passed over unless asked for: nobody knows
    how old it is, and it comes again at every connect.
    """

    def __init__(
        self,
        link: Subscribing,
        rows: MessageRows,
        *,
        qos: int = 1,
        capacity: int = 1000,
        takes_retained: bool = False,
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Prepares the source; entering subscribes.

        Args:
            link: the board's link.
            rows: the rule by which messages become rows.
            qos: at which the broker sends at most: 0 or 1.
            capacity: how many messages may wait.
            takes_retained: whether a retained message counts as if it were sent now.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
        """
        self._link = link
        self._rows = rows
        self._qos = qos
        self._capacity = capacity
        self._takes_retained = takes_retained
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._handlers = {
            topic_filter: partial(self._note, topic_filter) for topic_filter in rows.topic_filters
        }
        self._changed = threading.Condition()  # guards all that follows
        self._waiting: deque[Arrival | Refusal] = deque()
        self._lost = 0
        self._has_heard = False
        self._stopped = False

    def __enter__(self) -> Self:
        with self._changed:
            self._stopped = False
        self._link.on_connect(self._note_connect)
        for topic_filter, handler in self._handlers.items():
            self._link.subscribe(topic_filter, handler, qos=self._qos)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._link.off_connect(self._note_connect)
        for topic_filter, handler in self._handlers.items():
            self._link.unsubscribe(topic_filter, handler)
        with self._changed:
            if self._has_heard:
                self._add_gap("messages were not listened to for a while")
                self._has_heard = False

    def items(self) -> Iterator[Sample | Refusal]:
        """Each row float64 `[columns]`, or why a message made none, until `stop`."""
        interval_ns = self._rows.interval_ns
        due_ns = None if interval_ns is None else self._clock_ns() + interval_ns
        while True:
            with self._changed:
                if not self._wait(due_ns):
                    return
                found = self._take(due_ns)
            item: Sample | Refusal | None
            if isinstance(found, Arrival):
                item = self._rows.push(found)
            elif found is not None:
                self._rows.reset()
                item = found
            else:
                assert due_ns is not None, "else it would wait"
                assert interval_ns is not None, "due_ns comes of it"
                late_ms = (self._clock_ns() - due_ns) // 1_000_000
                item = self._rows.tick(due_ns, self._time_ns() // 1_000_000 - late_ms)
                due_ns += interval_ns
            if item is not None:
                yield item

    def stop(self) -> None:
        """Makes `items` end."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _wait(self, due_ns: int | None) -> bool:
        """Waits for a message or the next tick; says whether to go on."""
        while not self._stopped and not self._waiting and not self._lost:
            left_s = None if due_ns is None else (due_ns - self._clock_ns()) / 1e9
            if left_s is not None and left_s <= 0:
                break
            self._changed.wait(left_s)
        return not self._stopped

    def _take(self, due_ns: int | None) -> Arrival | Refusal | None:
        """The next message up to the tick; `None` where the tick comes first."""
        if not self._waiting:
            return self._gap_of_lost() if self._lost else None
        first = self._waiting[0]
        if due_ns is not None and isinstance(first, Arrival) and first.at_ns > due_ns:
            return None
        return self._waiting.popleft()

    # What follows runs on the link's thread.

    def _note(self, topic_filter: str, message: Received) -> None:
        if message.retain and not self._takes_retained:
            return
        at_ns, at_ms = self._clock_ns(), self._time_ns() // 1_000_000
        size = len(message.payload)
        with self._changed:
            self._has_heard = True
            if len(self._waiting) >= self._capacity:
                self._lost += 1
                return
            if self._lost:
                self._waiting.append(self._gap_of_lost())
            if size > _LARGEST_PAYLOAD_BYTES:
                self._waiting.append(Refusal(f"{message.topic}: a payload of {size} bytes"))
            else:
                self._waiting.append(
                    Arrival(topic_filter, message.topic, message.payload, at_ns, at_ms)
                )
            self._changed.notify_all()

    def _note_connect(self) -> None:
        with self._changed:
            if self._has_heard and not self._stopped:
                self._add_gap("the broker was out of reach; messages may be missing")

    def _add_gap(self, reason: str) -> None:
        self._has_heard = False
        self._waiting.append(Refusal(f"{', '.join(self._rows.topic_filters)}: {reason}"))
        self._changed.notify_all()

    def _gap_of_lost(self) -> Refusal:
        lost, self._lost = self._lost, 0
        where = ", ".join(self._rows.topic_filters)
        return Refusal(f"{where}: lost {lost} messages: {self._capacity} were waiting already")
