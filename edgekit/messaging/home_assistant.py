"""Makes Home Assistant find the board by itself, and forget it where that is turned off."""

import logging
import random
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from edgekit.messaging.discovery import Shown, discovery_payload, discovery_topic, removal
from edgekit.messaging.incoming import Received
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire

__all__ = ["HomeAssistant", "Shown"]

_log = logging.getLogger(__name__)


class HomeAssistant:
    """Inside its `with` block the board is announced.

    The retained payload is sent at every connect, and a little later whenever Home Assistant says
    that it has started (its birth message). The payload that the broker kept from an earlier run
    tells which components are gone, so that Home Assistant can be told to drop them. With
    `enabled` false, such a payload is taken away, and nothing else is said.
    """

    def __init__(
        self,
        link: Wire,
        topics: Topics,
        shown: Shown,
        *,
        enabled: bool = True,
        prefix: str = "homeassistant",
        delay_s: Callable[[], float] = lambda: random.uniform(0.0, 5.0),
    ) -> None:
        """Prepares; the `with` block begins.

        Args:
            link: to the broker.
            topics: the board's.
            shown: what of the board is shown.
            enabled: whether to be found.
            prefix: Home Assistant's discovery prefix.
            delay_s: how long to wait after a birth message: a fleet must not answer all at once.
        """
        self._link = link
        self._enabled = enabled
        self._birth_topic = f"{prefix}/status"
        self._topic = discovery_topic(prefix, topics)
        self._payload = discovery_payload(topics, shown)
        self._delay_s = delay_s
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        self._link.subscribe(self._topic, self._receive_kept)
        if self._enabled:
            self._link.subscribe(self._birth_topic, self._receive_birth)
            self._link.on_connect(self._announce)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.unsubscribe(self._topic, self._receive_kept)
        if self._enabled:
            self._link.off_connect(self._announce)
            self._link.unsubscribe(self._birth_topic, self._receive_birth)
        if self._timer is not None:
            self._timer.cancel()

    # What follows runs on the link's thread, or the timer's.

    def _announce(self) -> None:
        self._publish(msgspec.json.encode(self._payload))

    def _publish(self, payload: bytes) -> None:
        self._link.publish(self._topic, payload, retain=True)

    def _receive_birth(self, message: Received) -> None:
        if message.payload != b"online":
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._delay_s(), self._announce)
        self._timer.daemon = True
        self._timer.start()

    def _receive_kept(self, message: Received) -> None:
        if not message.retain or not message.payload:
            return  # what we have just said ourselves
        if not self._enabled:
            _log.info("taking the board's announcement away from Home Assistant")
            self._publish(b"")
            return
        leaving = removal(self._payload, components_in(message.payload))
        if leaving is not None:
            self._publish(msgspec.json.encode(leaving))
            self._announce()


def components_in(payload: bytes) -> dict[str, str]:
    """The platform of each component of a payload; nothing where it cannot be read."""
    try:
        components: dict[str, dict[str, Any]] = msgspec.json.decode(payload, type=_Kept).components
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return {
        key: platform
        for key, component in components.items()
        if isinstance(platform := component.get("platform"), str)
    }


class _Kept(msgspec.Struct):
    components: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
