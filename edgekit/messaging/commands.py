"""Commands to a board: taken from the link, judged and followed on a thread of their own."""

import base64
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import msgspec

from edgekit.errors import EdgekitError, InputError, Unavailable
from edgekit.messaging.authority import Allowance, Authority, CommandSettings, Refused
from edgekit.messaging.incoming import Received
from edgekit.messaging.payloads import (
    ARGUMENTS,
    Answer,
    Arguments,
    Code,
    Command,
    decode_command,
    encode,
)
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import Wire

__all__ = ["CommandSettings", "Commands", "Result"]

_log = logging.getLogger(__name__)
_LONGEST_LINE = 1000
_REFUSALS_A_MINUTE = 60
_CLOSE_S = 1.0


@dataclass(frozen=True)
class Result:
    """What came of a command that was followed.

    Attributes:
        said: one line for people.
        fields: values for programs; what JSON can say.
        jpeg: a picture, where the verb gives one.
    """

    said: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    jpeg: bytes | None = field(default=None, repr=False)


class Commands:
    """Follows the commands that are allowed, in their order, and answers each.

    Inside its `with` block it listens. Retained commands are passed over: they are orders to
    whoever connects next, not to a board now. Handlers run on one worker thread and may take
    their time; where more than `max_queued` commands wait, the next are refused.

    A handler says that it cannot with an error of ours: `InputError` is answered as
    `bad-arguments`, `Unavailable` as `unavailable`, others as `failed`.
    """

    def __init__(
        self,
        link: Wire,
        topics: Topics,
        settings: CommandSettings,
        handlers: Mapping[str, Callable[[Any], Result]],
        *,
        boot: str,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Prepares; the `with` block begins to listen.

        Args:
            link: to the broker.
            topics: the board's.
            settings: what is allowed.
            handlers: what follows a command, by verb; takes its struct of `ARGUMENTS`.
            boot: changes at each start.
            now_ms: milliseconds since 1970, UTC.
        """
        self._link = link
        self._topics = topics
        self._authority = Authority(settings, topics, now_ms=now_ms)
        self._handlers = handlers
        self._boot = boot
        self._refusals = Allowance(_REFUSALS_A_MINUTE)
        self._refusing = threading.Lock()
        self._waiting: queue.Queue[Received | None] = queue.Queue(settings.max_queued)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._link.subscribe(self._topics.commands, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._link.unsubscribe(self._topics.commands, self._receive)
        self._closing.set()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            _log.warning("a command is still being followed; not waiting for it")

    def _receive(self, message: Received) -> None:
        """Runs on the link's thread."""
        if message.retain:
            _log.warning("passed over a retained command at %s; clear it there", message.topic)
            return
        try:
            self._waiting.put_nowait(message)
        except queue.Full:
            self._refuse(message, "too-many", "other commands wait already; try again later")

    def _run(self) -> None:
        while not self._closing.is_set():
            message = self._waiting.get()
            if message is not None and not self._closing.is_set():
                self._follow(message)

    def _follow(self, message: Received) -> None:
        verb = message.topic.rpartition("/")[2]
        try:
            command, arguments = self._understand(verb, message)
            handler = self._handlers.get(verb)
            if handler is None:
                raise Refused("unavailable", f"this board does not know how to {verb}")
        except Refused as refusal:
            self._refuse(message, refusal.code, str(refusal))
            return
        code, result = _result_of(verb, handler, arguments)
        _log.info("command %s %s: %s", verb, command.id or "", result.said)
        fields = dict(result.fields)
        if result.jpeg is not None:
            fields["jpeg"] = base64.b64encode(result.jpeg).decode()
        self._answer(message, code, result.said, fields)

    def _understand(self, verb: str, message: Received) -> tuple[Command, Arguments]:
        """The command and its arguments.

        Raises:
            Refused: it cannot or must not be followed.
        """
        try:
            command = decode_command(message.payload)
        except InputError as error:
            raise Refused("bad-arguments", str(error)) from error
        if message.response_topic is not None:
            if not self._authority.may_answer_at(message.response_topic):
                raise Refused("not-allowed", "[commands] does not allow that response topic")
        elif command.id is None:
            raise Refused("bad-arguments", "give an id, or a response topic")
        self._authority.check(verb, command)
        schema = ARGUMENTS.get(verb)
        if schema is None:
            raise Refused("unavailable", f"this board does not know how to {verb}")
        try:
            return command, msgspec.json.decode(command.arguments, type=schema)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Refused("bad-arguments", f"arguments of {verb}: {error}") from error

    def _refuse(self, message: Received, code: Code, said: str) -> None:
        """Says no, unless that has been said too often: answers must not crowd out telemetry."""
        with self._refusing:
            if not self._refusals.take(time.monotonic()):
                return
        _log.warning("refused the command at %s: %s: %s", message.topic, code, said)
        self._answer(message, code, said, {})

    def _answer(self, message: Received, code: Code, said: str, fields: dict[str, Any]) -> None:
        verb = message.topic.rpartition("/")[2][:256] or "?"
        command_id = None
        with contextlib.suppress(InputError):
            command_id = decode_command(message.payload).id
        topic = message.response_topic
        if topic is None or not self._authority.may_answer_at(topic):
            if command_id is None:
                return  # nobody to tell
            try:
                topic = self._topics.answer(verb, command_id)
            except InputError:
                return
        answer = Answer(
            verb=verb,
            boot=self._boot,
            code=code,
            said=said.splitlines()[0][:_LONGEST_LINE] if said else "",
            id=command_id,
            result=fields,
        )
        payload = encode(answer)
        self._link.publish(topic, payload, correlation_data=message.correlation_data)


def _result_of(
    verb: str, handler: Callable[[Any], Result], arguments: Arguments
) -> tuple[Code, Result]:
    try:
        return "ok", handler(arguments)
    except InputError as error:
        return "bad-arguments", Result(str(error))
    except Unavailable as error:
        return "unavailable", Result(str(error))
    except EdgekitError as error:
        return "failed", Result(str(error))
    except Exception as error:
        _log.exception("a bug in the command %s", verb)
        return "failed", Result(f"a bug: {error!r}; the board's log has more")
