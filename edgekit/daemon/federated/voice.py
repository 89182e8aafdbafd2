"""What a board says to the coordinator of a job, and where it hears of models."""

from collections import OrderedDict
from collections.abc import Sequence

from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.messages import Answer, Invite, encode
from edgekit.messaging.incoming import Handler
from edgekit.messaging.payloads import FederatedReady
from edgekit.messaging.payloads import encode as encode_payload
from edgekit.messaging.topics import FederatedTopics, Topics
from edgekit.messaging.wire import Wire

_CHUNK_BYTES = 131_072
_AT_ONCE = 16
"""More chunks wait here: in a full line of the link they would push telemetry out."""


class Voice:
    """Speaks over the link for one job.

    Args:
        link: to the broker.
        topics: the board's.
        job: the job's name.
        hear: takes what comes for the board, and models; on the link's thread.
    """

    def __init__(self, link: Wire, topics: Topics, job: str, hear: Handler) -> None:
        self._link, self._hear = link, hear
        self._up, self.down = (topics.federated(job, part) for part in ("up", "down"))
        self._ready = topics.federated(job, "ready")
        self._models = FederatedTopics(topics.fleet, job)
        self._line: OrderedDict[bytes, None] = OrderedDict()

    def listen(self) -> None:
        """Begins to hear what comes for the board."""
        self._link.subscribe(self.down, self._hear)

    def leave(self) -> None:
        """Ends it."""
        self._link.unsubscribe(self.down, self._hear)

    def ask_for(self, model: bytes) -> None:
        """Has the broker send a model's chunks, from the first on."""
        self.do_without(model)
        self._link.subscribe(self._models.model(model), self._hear)

    def do_without(self, model: bytes) -> None:
        """Ends it."""
        self._link.unsubscribe(self._models.model(model), self._hear)

    def ready(self, message: FederatedReady) -> None:
        """Says what the board is like."""
        self._link.publish(self._ready, encode_payload(message), retain=True)

    def answer(self, invite: Invite, why: str | None = None) -> None:
        """Says yes to an invitation, or why not."""
        said = Answer(
            run=invite.run, round=invite.round, accepts=why is None, why=(why or "")[:500]
        )
        for chunk in chunked(encode(said), _CHUNK_BYTES):
            self._link.publish(self._up, chunk)

    def send(self, messages: Sequence[bytes], chunk_bytes: int) -> None:
        """Says whole messages: now, or bit by bit with `go_on`."""
        for message in messages:
            self.send_chunks(chunked(message, chunk_bytes))

    def send_chunks(self, chunks: Sequence[bytes]) -> None:
        """Says parts of a message; those that wait already are said once."""
        for chunk in chunks:
            self._line.setdefault(chunk)
        self.go_on()

    def go_on(self) -> bool:
        """Says more of what waits, as far as the link has room for it; whether it had any."""
        room = before = min(_AT_ONCE - self._link.counts.waiting, len(self._line))
        while room > 0:
            chunk, _ = self._line.popitem(last=False)
            self._link.publish(self._up, chunk)
            room -= 1
        return before > 0

    def drop(self) -> None:
        """Says no more of what waits."""
        self._line.clear()

    @property
    def waits(self) -> bool:
        """Whether there is more to say."""
        return bool(self._line)
