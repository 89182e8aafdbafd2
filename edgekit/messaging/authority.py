"""Who may command a board: what is allowed, signed, fresh, new, and not too often."""

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import ConfigError
from edgekit.messaging.payloads import Code, Command
from edgekit.messaging.topics import Topics

_SHORTEST_KEY_BYTES = 16


@dataclass(frozen=True)
class CommandSettings:
    """What a board lets itself be told.

    Attributes:
        allow: the verbs it follows; none of them unless named.
        key: shared with those who may command; without it whoever may publish may command.
        answer_prefix: what an MQTT 5 response topic has to start with, beside the board's own
            `res/`, which always may be used.
        per_minute: how many commands of one verb are followed in any minute.
        fresh_s: how far the time a signed command was issued may be from now.
        max_queued: how many commands wait at most.
    """

    allow: frozenset[str] = frozenset()
    key: bytes | None = field(default=None, repr=False)
    answer_prefix: str | None = None
    per_minute: int = 30
    fresh_s: float = 60.0
    max_queued: int = 16


class Refused(Exception):
    """A command that is not followed; the text is the line it is answered with."""

    def __init__(self, code: Code, said: str) -> None:
        self.code: Code = code
        super().__init__(said)


def read_key(path: Path) -> bytes:
    """The key in a file: all of it but the white space around it.

    Raises:
        ConfigError: the file cannot be read, or the key has fewer than 16 bytes.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError("commands", [f"key_file: {path}: {error.strerror}"]) from error
    if len(key) < _SHORTEST_KEY_BYTES:
        advice = f"make it with: head -c 32 /dev/urandom | base64 > {path}"
        raise ConfigError(
            "commands", [f"key_file: {path}: shorter than {_SHORTEST_KEY_BYTES} bytes; {advice}"]
        )
    return key


def sign(key: bytes, topic: str, *, command_id: str, issued: int, arguments: bytes) -> str:
    """The `mac` of a command: HMAC-SHA256 in hexadecimal (RFC 2104).

    It is over the topic, the id, the time it was issued (milliseconds since 1970, decimal) and
    the arguments as the bytes they are sent in, with a line feed after each of the first three.
    """
    text = f"{topic}\n{command_id}\n{issued}\n".encode() + arguments
    return hmac.new(key, text, hashlib.sha256).hexdigest()


class Allowance:
    """Lets so many through in any minute. Not thread-safe."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._taken_s: deque[float] = deque()

    def take(self, now_s: float) -> bool:
        """Whether one more may pass now; counts it where it may."""
        while self._taken_s and now_s - self._taken_s[0] >= 60:
            self._taken_s.popleft()
        if len(self._taken_s) >= self._per_minute:
            return False
        self._taken_s.append(now_s)
        return True


class Authority:
    """Judges commands, one at a time; remembers what it let through. Not thread-safe."""

    def __init__(
        self,
        settings: CommandSettings,
        topics: Topics,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is remembered yet.

        Args:
            settings: what is allowed.
            topics: the board's.
            now_ms: milliseconds since 1970, UTC.
            clock_s: seconds since any moment, never set back.
        """
        self._settings = settings
        self._topics = topics
        self._now_ms = now_ms
        self._clock_s = clock_s
        self._started_s = clock_s()
        self._known_until_s: dict[str, float] = {}
        self._allowances = {verb: Allowance(settings.per_minute) for verb in settings.allow}

    def check(self, verb: str, command: Command) -> None:
        """Lets a command through, which can be done once.

        Raises:
            Refused: it must not be followed.
        """
        if verb not in self._settings.allow:
            raise Refused("not-allowed", f"[commands] allow does not name {verb[:64]}")
        if self._settings.key is not None:
            self._check_signature(self._settings.key, verb, command)
        now_s = self._clock_s()
        if command.id is not None and self._known_until_s.get(command.id, now_s) > now_s:
            raise Refused("replayed", f"the id {command.id} was used already; take a new one")
        if not self._allowances[verb].take(now_s):
            raise Refused("too-many", f"more than {self._settings.per_minute} {verb} in a minute")
        if command.id is not None:
            self._remember(command.id, now_s)

    def may_answer_at(self, topic: str) -> bool:
        """Whether a response topic may be written to: nobody must make a board write anywhere."""
        prefixes = [self._topics.prefix + "res/", self._settings.answer_prefix]
        if any(letter in topic for letter in "+#\0") or len(topic.encode(errors="replace")) > 512:
            return False
        return any(prefix and topic.startswith(prefix) and topic != prefix for prefix in prefixes)

    def _check_signature(self, key: bytes, verb: str, command: Command) -> None:
        if command.id is None or command.issued is None or command.mac is None:
            raise Refused("bad-signature", "this board wants an id, issued and mac")
        due = sign(
            key,
            self._topics.command(verb),
            command_id=command.id,
            issued=command.issued,
            arguments=bytes(command.arguments),
        )
        if not hmac.compare_digest(due, command.mac):
            raise Refused("bad-signature", "the mac is not this command's under this board's key")
        age_s = (self._now_ms() - command.issued) / 1000
        if abs(age_s) > self._settings.fresh_s:
            raise Refused(
                "stale",
                f"issued {abs(age_s):.0f} s {'ago' if age_s > 0 else 'from now'} by this board's "
                f"clock, where {self._settings.fresh_s:g} s is the most; are both clocks right?",
            )
        if age_s > self._clock_s() - self._started_s:
            raise Refused("stale", "issued before this board's program started; send a new one")

    def _remember(self, command_id: str, now_s: float) -> None:
        """Keeps an id for as long as its command could be fresh; the rate bounds how many."""
        self._known_until_s = {
            known: until for known, until in self._known_until_s.items() if until > now_s
        }
        self._known_until_s[command_id] = now_s + 2 * self._settings.fresh_s + 1
