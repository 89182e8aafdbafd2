"""The twin: applies and keeps settings wished from afar, and reports what is in force."""

import logging
import os
import queue
import threading
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from edgekit.errors import EdgekitError, InputError
from edgekit.messaging.incoming import Received
from edgekit.messaging.payloads import Reported, TwinSettings, decode_desired, encode
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire
from edgekit.messaging.wishes import Judgement, judge

_log = logging.getLogger(__name__)
_FILE = "twin.json"
_MOST_WAITING = 16
_CLOSE_S = 1.0

Apply = Callable[[TwinSettings], Mapping[str, str]]
"""Puts settings in force; absent ones are as the configuration file says. Gives why those that it
cannot put in force are refused, by their paths (`pipelines.door.threshold`)."""


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    settings: TwinSettings


class Twin:
    """Follows `twin/desired` inside its `with` block.

    At the start what was kept is applied again, as far as it is still allowed. A wish is taken
    where its version is higher than the one applied last; it replaces the whole of that. What is
    in force is written to the state directory before it is reported, and reported again at every
    connect. The handler runs on the twin's own thread (at the start: on the caller's).
    """

    def __init__(
        self,
        link: Wire,
        topics: Topics,
        apply: Apply,
        *,
        boot: str,
        allow: Collection[str],
        pipelines: Collection[str],
        state: Path | None,
    ) -> None:
        """Prepares; the `with` block begins.

        Args:
            link: to the broker.
            topics: the board's.
            apply: puts settings in force.
            boot: changes at each start.
            allow: the keys that may be changed.
            pipelines: the names of the board's pipelines.
            state: the state directory; without one nothing is kept.
        """
        self._link = link
        self._topics = topics
        self._apply = apply
        self._boot = boot
        self._allow = frozenset(allow)
        self._pipelines = frozenset(pipelines)
        self._file = None if state is None else state / _FILE
        self._version = 0
        self._now = Judgement(TwinSettings())
        self._state = threading.Lock()  # guards those two
        self._waiting: queue.Queue[Received | None] = queue.Queue(_MOST_WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="twin", daemon=True)

    @property
    def settings(self) -> TwinSettings:
        """What is in force."""
        with self._state:
            return self._now.settings

    def __enter__(self) -> Self:
        kept = None if self._file is None else _load(self._file)
        if kept is not None:
            self._take(kept.version, judge_again(kept.settings, self._allow, self._pipelines))
        self._thread.start()
        self._link.on_connect(self._report)
        self._link.subscribe(self._topics.twin_desired, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.off_connect(self._report)
        self._link.unsubscribe(self._topics.twin_desired, self._receive)
        self._closing.set()
        if not self._waiting.full():
            self._waiting.put(None)
        self._thread.join(_CLOSE_S)

    def _receive(self, message: Received) -> None:
        """Runs on the link's thread."""
        if not message.payload:
            return  # the retained wish was taken away; what was applied stays
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            _log.warning("twin: too many wishes at once; passed one over")

    def _run(self) -> None:
        while not self._closing.is_set():
            message = self._waiting.get()
            if message is not None and not self._closing.is_set():
                self._follow(message.payload)

    def _follow(self, payload: bytes) -> None:
        try:
            wish = decode_desired(payload)
        except InputError as error:
            _log.warning("twin: passed over a wish: %s", error)
            return
        if wish.version <= self._version:
            if wish.version < self._version:
                _log.info("twin: version %d came after %d", wish.version, self._version)
            return
        found = judge(wish.settings, allow=self._allow, pipelines=self._pipelines)
        if self._take(wish.version, found):
            _log.info("twin: version %d is in force", wish.version)
            self._keep()
        self._report()

    def _take(self, version: int, found: Judgement) -> bool:
        """Applies settings; whether that could be done."""
        try:
            found = found.without(self._apply(found.settings))
        except Exception as error:  # a wish must not end the thread that takes the next
            bug = not isinstance(error, EdgekitError)
            _log.error("twin: version %d cannot be applied: %s", version, error, exc_info=bug)
            said = str(error).partition("\n")[0][:200] or repr(error)[:200]
            with self._state:
                self._now = Judgement(self._now.settings, {"settings": said})
            return False
        with self._state:
            self._version, self._now = version, found
        for path, reason in found.refused.items():
            _log.warning("twin: %s: %s", path, reason)
        return True

    def _report(self) -> None:
        with self._state:
            reported = Reported(
                boot=self._boot,
                version=self._version,
                settings=self._now.settings,
                refused=dict(self._now.refused),
            )
            # Within the lock, so that an older report never comes after a newer one.
            self._link.publish(self._topics.twin_reported, encode(reported), retain=True)

    def _keep(self) -> None:
        if self._file is None:
            return
        try:
            _save(self._file, msgspec.json.encode(_Kept(self._version, self.settings)))
        except OSError as error:
            _log.warning("twin: cannot keep the settings in %s: %s", self._file, error.strerror)


def judge_again(
    settings: TwinSettings, allow: Collection[str], pipelines: Collection[str]
) -> Judgement:
    """What of settings that were in force before still may be."""
    return judge(msgspec.to_builtins(settings), allow=allow, pipelines=pipelines)


def _load(file: Path) -> _Kept | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _log.warning("twin: passed over %s, which cannot be read: %s", file, error)
        return None


def _save(file: Path, content: bytes) -> None:
    """Puts the content in the file's place so that a power cut leaves the old or the new.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    new = file.with_suffix(".new")
    with new.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
