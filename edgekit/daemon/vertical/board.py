"""Answers the label holder of a job over the broker, on a thread that gives way."""

import contextlib
import logging
import queue
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from edgekit.bundle import InputSpec
from edgekit.config.vertical import VerticalTable
from edgekit.daemon.federated.priority import give_way
from edgekit.daemon.vertical.samples import TimedSamples
from edgekit.errors import ConfigError, InputError
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox
from edgekit.learning.federated.vertical.aligning import read_secret
from edgekit.learning.federated.vertical.models import BottomModel
from edgekit.learning.federated.vertical.party import Party
from edgekit.messaging.incoming import Received
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire

_log = logging.getLogger(__name__)
_LONGEST_BYTES = 64 * 1024 * 1024
_MOST_WAITING = 1000
_STORE_EVERY_S = 5.0
_CLOSE_S = 2.0


class VerticalBoard:
    """Inside its `with` block the board takes part in a job.

    Attributes:
        samples: takes what the pipeline sees.
    """

    def __init__(
        self,
        job: str,
        table: VerticalTable,
        spec: InputSpec,
        *,
        state: Path,
        link: Wire,
        topics: Topics,
        chunk_bytes: int = 131_072,
    ) -> None:
        """Loads the bottom, and opens the buffer.

        Args:
            job: its name.
            table: its settings.
            spec: what the pipeline's model takes.
            state: the daemon's state directory.
            link: to the broker.
            topics: the board's.
            chunk_bytes: the largest payload.

        Raises:
            BundleError: the bottom's folder is damaged.
            ConfigError: the secret cannot be read, or the bottom does not fit the pipeline.
        """
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        folder = state / "vertical" / job
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # its samples are nobody else's
        bottom = BottomModel(table.bottom)
        where = f"vertical.{job}"
        try:
            self.samples = TimedSamples(
                folder / "samples.db",
                spec,
                bottom.features,
                period_ms=max(1, round(table.period_s * 1000)),
                secret=read_secret(table.secret_file),
                limit_bytes=round(table.max_mb * 1e6),
                max_age_s=table.max_age_days * 86_400,
                wake=self._wake,
            )
        except InputError as error:
            raise ConfigError(where, [str(error)]) from error
        self._party = Party(bottom, self.samples.samples, folder)
        self._link = link
        self._down, self._up = topics.federated(job, "down"), topics.federated(job, "up")
        self._chunk_bytes = chunk_bytes
        self._inbox = Inbox(_LONGEST_BYTES)
        self._thread = threading.Thread(target=self._run, name=f"vertical {job}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._link.subscribe(self._down, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.unsubscribe(self._down, self._receive)
        self._waiting.put(None)
        self._thread.join(_CLOSE_S)
        if not self._thread.is_alive():
            self.samples.close()

    def _wake(self) -> None:
        """Runs on the pipeline's thread."""
        with contextlib.suppress(queue.Full):  # then it is awake
            self._waiting.put_nowait(b"")

    def _receive(self, message: Received) -> None:
        """Runs on the link's thread."""
        try:
            self._waiting.put_nowait(message.payload)
        except queue.Full:
            _log.warning("too much was asked at once; the label holder has to ask again")

    def _run(self) -> None:
        give_way()
        while True:
            payload: bytes | None = b""
            with contextlib.suppress(queue.Empty):
                payload = self._waiting.get(timeout=_STORE_EVERY_S)
            if payload is None:
                return
            try:
                self.samples.store()  # also while questions follow each other without a pause
                if payload:
                    self._answer(payload)
            except InputError as error:
                _log.warning("passed over a message of a label holder: %s", error)
            except Exception:  # the label holder asks again; a dead thread would never answer
                _log.exception("a bug while answering a label holder")

    def _answer(self, payload: bytes) -> None:
        message = self._inbox.add(payload)
        answer = None if message is None else self._party.answer(message)
        if answer is not None:
            for chunk in chunked(answer, self._chunk_bytes):
                self._link.publish(self._up, chunk)
