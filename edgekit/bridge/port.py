"""A port that is kept open: one thread speaks to the device, many may listen and command."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from edgekit.bridge import packets as p
from edgekit.bridge.calls import Call, Calls
from edgekit.bridge.cbor import Malformed, decode
from edgekit.bridge.counts import LinkCounts
from edgekit.bridge.happenings import Arrived, Closed, Introduced, Opened
from edgekit.bridge.host import Drifting, Host, HostHappening, Misfit, Samples, Scored
from edgekit.bridge.listening import Gone, Heard, Listener
from edgekit.bridge.pipe import Pipe, open_port
from edgekit.bridge.reliable import Settled
from edgekit.bridge.telling import described, shown
from edgekit.bridge.writing import payload_of
from edgekit.errors import EdgekitError, InputError, Unavailable
from edgekit.messaging.authority import Allowance
from edgekit.messaging.backoff import jittered_backoff

_log = logging.getLogger(__name__)

PortState = Literal["closed", "waiting", "silent", "open"]

_FIRST_OPEN_S = 10.0
_LONGEST_WAIT_S = 0.5
_SILENT_S = 15.0
_JOIN_S = 2.0
_LONGEST_NAME_BYTES = 32
_LINES_A_MINUTE = 30
_LEVELS = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)


class Port:
    """Speaks to the device at one port for as long as somebody uses it.

    A port that fails, or gives no session for 15 s, is closed and opened again after a jittered
    back-off.

    Attributes:
        name: what people call it.
        port: where it is.
        counts: of the link, through all reopening.
        state: how it fares.
        reopened: how often it was opened after the first time.
        samples: instants that came.
        dropped: of these, those that somebody's work was too slow for.
    """

    def __init__(
        self,
        port: str,
        *,
        name: str | None = None,
        baud: int = 115_200,
        opener: Callable[..., Pipe] = open_port,
        backoff: Callable[[], Iterator[float]] = lambda: jittered_backoff(0.5, 10.0),
        clock_ns: Callable[[], int] = time.monotonic_ns,
        time_ns: Callable[[], int] = time.time_ns,
        nonce: Callable[[], int] = lambda: secrets.randbelow(2**32 - 1) + 1,
    ) -> None:
        """Prepares; `using` opens it.

        Args:
            port: as `open_port` takes it.
            name: for messages; the port itself where left out.
            baud: bits a second; of no meaning where the line has no such rate.
            opener: opens a pipe.
            backoff: gives the seconds to wait before each next attempt.
            clock_ns: the monotonic clock.
            time_ns: the time since 1970.
            nonce: gives another number each time the port is opened, not 0.
        """
        self.name = name or port
        self.port = port
        self.baud = baud
        self.counts = LinkCounts()
        self.state: PortState = "closed"
        self.reopened = 0
        self.samples = 0
        self.dropped = 0
        self._opener = opener
        self._backoff = backoff
        self._clock_ns = clock_ns
        self._time_ns = time_ns
        self._nonce = nonce
        self._lock = threading.Condition()  # guards all that follows
        self._users = 0
        self._wishes: dict[int, Mapping[str, int]] = {}
        self._listeners: list[Listener] = []
        self._thread: threading.Thread | None = None
        self._previous: threading.Thread | None = None
        self._pipe: Pipe | None = None
        self._failure: str | None = None
        self._has_tried = False
        # The port's thread alone uses these.
        self._host: Host | None = None
        self._calls = Calls(self.name)
        self._lines, self._greetings = Allowance(_LINES_A_MINUTE), Allowance(_LINES_A_MINUTE)
        self._missing = 0

    @property
    def host(self) -> Host | None:
        """The board's end of the link while the port is open; to look at, not to feed."""
        return self._host

    @contextmanager
    def using(self, listener: Listener, *, is_patient: bool = False) -> Iterator[None]:
        """Keeps the port open, and has a listener hear.

        Args:
            listener: hears from now on.
            is_patient: a port that is not there now is waited for, not complained of.

        Raises:
            Unavailable: it cannot be opened.
        """
        self._enter(listener)
        try:
            if not is_patient:
                self._wait_until_open()
            yield
        finally:
            self._leave(listener)

    def command(self, name: str, argument: Any = p.NOTHING, *, timeout_s: float) -> p.Response:
        """Has the device do something; gives what it answers. From any thread but the port's.

        Raises:
            InputError: the device does not know it or refuses, or the argument cannot be sent.
            Unavailable: there is no session, or no answer in time.
        """
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            raise InputError(f"the command {name!r} is longer than {_LONGEST_NAME_BYTES} bytes")
        try:
            decode(payload_of(p.Command(0, name, argument)))
        except (Malformed, ValueError) as error:
            raise InputError(f"{self.name}: {name}: cannot be sent: {error}") from error
        call = Call(p.Command(0, name, argument))
        self._call(call, timeout_s)
        assert call.response is not None, "else an error was raised"
        return call.response

    def configure(
        self,
        periods: dict[int, int],
        settings: dict[str, p.Setting] | None = None,
        *,
        timeout_s: float,
    ) -> None:
        """Sets sensors' periods in nanoseconds, and settings. From any thread but the port's.

        Raises:
            InputError: the device refuses.
            Unavailable: there is no session, or no acknowledgement in time.
        """
        self._call(Call(p.Config(periods, settings or {})), timeout_s)

    def wish(self, listener: Listener, periods_ns: Mapping[str, int]) -> None:
        """Has the device asked for periods, by its sensors' names, whenever a session opens.

        Where several wish for different ones the shortest wins. None at all takes back what was
        wished before.
        """
        with self._lock:
            if periods_ns:
                self._wishes[id(listener)] = dict(periods_ns)
            else:
                self._wishes.pop(id(listener), None)
            host = self._host
        if periods_ns and host is not None and host.device is not None:
            self._ask_for_periods(host.device)

    def count_dropped(self, instants: int) -> None:
        """A listener had no room for samples."""
        with self._lock:
            self.dropped += instants

    def _ask_for_periods(self, device: p.Device) -> None:
        wanted: dict[int, int] = {}
        with self._lock:
            for number, sensor in enumerate(device.sensors):
                wished = [one[sensor.name] for one in self._wishes.values() if sensor.name in one]
                if wished and min(wished) != sensor.period_ns:
                    wanted[number] = min(wished)
        if wanted:
            self._calls.add(Call(p.Config(wanted)))
            with self._lock:
                self._wake()

    def _call(self, call: Call, timeout_s: float) -> None:
        with self._lock:
            if self.state != "open":
                raise Unavailable(f"{self.name}: {self._failure or 'no device answers'}")
            self._calls.add(call)
            self._wake()
        call.wait(self.name, timeout_s)

    def _enter(self, listener: Listener) -> None:
        with self._lock:
            self._users += 1
            self._listeners.append(listener)
            if self._thread is None:
                self._has_tried, self._failure = False, None
                previous, self._previous = self._previous, None
                self._thread = threading.Thread(
                    target=self._run,
                    args=(previous,),
                    name=f"port-{self.name}"[:60],
                    daemon=True,
                )
                self._thread.start()
            host = self._host
        if host is not None and host.link.is_open and host.link.peer is not None:
            listener.hear(Opened(host.link.peer, is_new=False))

    def _leave(self, listener: Listener) -> None:
        with self._lock:
            self._users -= 1
            self._listeners.remove(listener)
            thread = self._thread if self._users == 0 else None
            self._wake()
            self._lock.notify_all()
        if thread is not None:
            thread.join(_JOIN_S)

    def _wait_until_open(self) -> None:
        with self._lock:
            self._lock.wait_for(lambda: self._has_tried, _FIRST_OPEN_S)
            if self._pipe is None:
                raise Unavailable(self._failure or f"{self.name}: cannot be opened")

    def _wake(self) -> None:
        if self._pipe is not None:
            self._pipe.wake()

    # What follows runs on the port's thread.

    def _run(self, previous: threading.Thread | None) -> None:
        me = threading.current_thread()
        if previous is not None:
            previous.join()  # it may have the port open still
        delays = self._backoff()
        while self._is_wanted(me):
            sessions = self.counts.sessions
            try:
                with self._opened() as pipe:
                    self._converse(pipe, me)
            except EdgekitError as error:
                reason = str(error)
            except Exception as error:
                _log.exception("%s: a bug in the bridge", self.name)
                reason = f"{self.name}: a bug: {error!r}"
            else:
                continue
            if self.counts.sessions > sessions:
                delays = self._backoff()
            self._fail(reason, next(delays))

    def _is_wanted(self, me: threading.Thread) -> bool:
        with self._lock:
            if self._users and self._thread is me:
                return True
            self.state = "closed"
            if self._thread is me:
                self._thread, self._previous = None, me
            return False

    @contextmanager
    def _opened(self) -> Iterator[Pipe]:
        pipe = self._opener(self.port, baud=self.baud)
        with self._lock:
            self.reopened += self._failure is not None
            self._pipe, self._failure, self._has_tried = pipe, None, True
            self.state = "silent"
            self._lock.notify_all()
        try:
            yield pipe
        finally:
            with self._lock:
                self._pipe = self._host = None
                self.state = "waiting"
            self._calls.end("the port was closed")
            pipe.close()

    def _fail(self, reason: str, delay_s: float) -> None:
        with self._lock:
            is_new, self._failure = reason != self._failure, reason
            self.state, self._has_tried = "waiting", True
            listeners = list(self._listeners)
            self._lock.notify_all()
        if is_new:
            _log.warning("%s: looked for again with growing pauses", reason)
        for listener in listeners:
            listener.hear(Gone(reason, is_broken=True))
        with self._lock:
            self._lock.wait_for(lambda: not self._users, delay_s)

    def _converse(self, pipe: Pipe, me: threading.Thread) -> None:
        """Speaks until nobody wants to any more."""
        host = Host(
            nonce=self._nonce(),
            baud=self.baud,
            counts=self.counts,
            clock_ns=self._clock_ns,
            time_ns=self._time_ns,
        )
        self._host = host
        silent_since_ns = self._clock_ns()
        while self._is_wanted(me):
            now_ns = self._clock_ns()
            self._calls.send(host.link)
            for happening in host.tick(now_ns):
                self._deal_with(host, happening)
            pipe.write(host.link.take())
            wait_s = min(_LONGEST_WAIT_S, (host.due_ns - self._clock_ns()) / 1e9)
            data = pipe.read(max(0.0, wait_s))
            now_ns = self._clock_ns()
            for happening in host.feed(data, now_ns):
                self._deal_with(host, happening)
            pipe.write(host.link.take())
            self._tell_of_missing()
            if host.link.is_open:
                silent_since_ns = now_ns
            elif now_ns - silent_since_ns > _SILENT_S * 1e9:
                raise Unavailable(f"{self.name}: no device has answered for {_SILENT_S:g} s")
            if host.link.is_flooded:
                raise Unavailable(f"{self.name}: the device says HELLO without end")

    def _deal_with(self, host: Host, happening: HostHappening) -> None:
        match happening:
            case Samples() | Scored():
                if isinstance(happening, Samples):
                    self.samples += len(happening.values)
                self._tell_of_missing()
                self._tell(happening)
            case Opened(hello, is_new):
                assert hello.device is not None
                with self._lock:
                    self.state = "open"
                self._missing = self.counts.rx_lost
                if is_new and self._greetings.take(self._clock_ns() / 1e9):
                    _log.info("%s: %s", self.name, described(hello.device))
                self._ask_for_periods(hello.device)
                self._tell(happening)
            case Introduced():
                self._tell_of_missing()
                self._tell(happening)
            case Closed(reason):
                with self._lock:
                    self.state = "silent"
                self._calls.end(reason)
                self._tell(Gone(f"{self.name}: {reason}"))
            case Settled():
                self._calls.settled(happening)
            case Arrived(p.Response() as response):
                self._calls.answered(response)
            case Arrived(p.Log(level, _, text)):
                self._log_line(_LEVELS[level], shown(text))
            case Misfit(reason):
                self._log_line(logging.WARNING, shown(reason))
                self._tell(Gone(f"{self.name}: {shown(reason)}"))
            case Drifting(ppm):
                self._log_line(logging.WARNING, f"its clock drifts by {ppm:.0f} ppm: no crystal")

    def _tell(self, happening: Heard) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            listener.hear(happening)

    def _tell_of_missing(self) -> None:
        lost, self._missing = self.counts.rx_lost - self._missing, self.counts.rx_lost
        if lost > 0:
            self._tell(Gone(f"{self.name}: {lost} packets were lost on the line"))

    def _log_line(self, level: int, text: str) -> None:
        if self._lines.take(self._clock_ns() / 1e9):
            _log.log(level, "%s: %s", self.name, text)
