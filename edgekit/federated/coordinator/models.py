"""The global models at the broker: retained while a board may need them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from edgekit.array import Array
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import encode_model
from edgekit.messaging.topics import FederatedTopics

_NAME_BYTES = 16


class Publishes(Protocol):
    """Sends a message."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Sends it, at QoS 1."""
        ...


@dataclass(frozen=True)
class Shown:
    """A model as it is retained.

    Attributes:
        name: the first 16 bytes of the SHA-256 of its message.
        size_bytes: of its message.
        chunks: how many there are.
        travels_bytes: of all chunks.
    """

    name: bytes
    size_bytes: int
    chunks: int
    travels_bytes: int


class Models:
    """Publishes models and clears them.

    Args:
        topics: the job's.
        run: the job's running.
        codec: how models travel.
        chunk_bytes: the largest payload.
        publish: sends.
        content: gives parameters and control variate of a version.
    """

    def __init__(
        self,
        topics: FederatedTopics,
        run: str,
        *,
        codec: str,
        chunk_bytes: int,
        publish: Publishes,
        content: Callable[[int], tuple[Mapping[str, Array], Mapping[str, Array]]],
    ) -> None:
        self._topics, self._run, self._codec = topics, run, codec
        self._chunk_bytes, self._publish, self._content = chunk_bytes, publish, content
        self._shown: dict[int, Shown] = {}

    def show(self, version: int) -> Shown:
        """Publishes a version where that was not done yet."""
        if version not in self._shown:
            parameters, control = self._content(version)
            message = encode_model(
                parameters,
                run=self._run,
                number=version,
                version=version,
                control=control,
                codec=self._codec,
            )
            name = sha256(message).digest()[:_NAME_BYTES]
            chunks = chunked(message, self._chunk_bytes)
            for number, chunk in enumerate(chunks):
                self._publish(self._topics.model(name, number), chunk, retain=True)
            size = sum(len(chunk) for chunk in chunks)
            self._shown[version] = Shown(name, len(message), len(chunks), size)
        return self._shown[version]

    def show_again(self) -> None:
        """Publishes all once more: the broker may have forgotten them."""
        versions = list(self._shown)
        self._shown.clear()
        for version in versions:
            self.show(version)

    def clear(self, kept: Iterable[int] = ()) -> None:
        """Takes all but some versions off the broker."""
        for version in sorted(self._shown.keys() - set(kept)):
            shown = self._shown.pop(version)
            for number in range(shown.chunks):
                self._publish(self._topics.model(shown.name, number), b"", retain=True)
