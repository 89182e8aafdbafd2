"""What tests of the link share: a board's topics and status, and someone who hears its log."""

import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import Status, Versions, decode_status
from edgekit.messaging.topics import Topics
from tests.broker import PATIENCE_S, Listener

TOPICS = Topics("lab", "board")
STATUS = Status(
    state="online",
    boot="b",
    versions=Versions(edgekit="1", python="3", onnxruntime="1"),
    pipelines=("door",),
)


def quick() -> Iterator[float]:
    return itertools.repeat(0.02)


def make_link(settings: MqttSettings, **more: Any) -> MqttLink:
    return MqttLink(settings, TOPICS, STATUS, **({"backoff": quick} | more))


def next_payloads(listener: Listener, count: int, topic: str) -> list[bytes]:
    """The next messages of a topic; others are passed over."""
    got: list[bytes] = []
    while len(got) < count:
        heard = listener.next()
        if heard.topic == topic:
            got.append(heard.payload)
    return got


def next_status(listener: Listener) -> Status:
    return decode_status(next_payloads(listener, 1, TOPICS.status)[0])


class Said(logging.Handler):
    """Keeps what is logged, and wakes whoever waits for it."""

    def __init__(self, level: int = logging.WARNING) -> None:
        super().__init__(level)
        self.lines: list[str] = []
        self._more = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._more:
            self.lines.append(record.getMessage())
            self._more.notify_all()

    def first(self) -> str:
        return self.wait_for(lambda line: True)

    def wait_for(self, wanted: Callable[[str], bool]) -> str:
        """The first line of a kind, once there is one."""
        with self._more:
            assert self._more.wait_for(lambda: any(map(wanted, self.lines)), PATIENCE_S), (
                f"not logged; only {self.lines}"
            )
            return next(filter(wanted, self.lines))


@contextmanager
def hearing(logger: str, level: int = logging.WARNING) -> Iterator[Said]:
    handler = Said(level)
    logging.getLogger(logger).addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger(logger).removeHandler(handler)


class Counted:
    """A back-off that says when the n-th attempt has failed."""

    def __init__(self, attempts: int) -> None:
        self.reached = threading.Event()
        self._attempts = attempts

    def __call__(self) -> Iterator[float]:
        for attempt in itertools.count(1):
            if attempt == self._attempts:
                self.reached.set()
            yield 0.01
