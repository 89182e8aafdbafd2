"""Commands and settings on their way to a device, and who waits for what becomes of them."""

import logging
import secrets
import threading
from dataclasses import dataclass, field

from edgekit.bridge import packets as p
from edgekit.bridge.link import Link
from edgekit.bridge.reliable import Settled
from edgekit.errors import InputError, Unavailable

_log = logging.getLogger(__name__)
_MOST_ANSWERS = 64


@dataclass
class Call:
    """A packet that is to be acknowledged, and a command to be answered as well.

    Attributes:
        packet: what is to be sent; a command's id is chosen when it is.
        done: set when one of the following is known.
        response: the answer.
        status: what the acknowledgement says.
        error: why there will be neither.
    """

    packet: p.Command | p.Config
    done: threading.Event = field(default_factory=threading.Event)
    response: p.Response | None = None
    status: p.Status | None = None
    error: str | None = None

    def wait(self, where: str, timeout_s: float) -> None:
        """Waits until it is done.

        Raises:
            InputError: the device does not know it, or refuses.
            Unavailable: it is not done in time, or will never be.
        """
        if not self.done.wait(timeout_s):
            raise Unavailable(f"{where}: no answer in {timeout_s:g} s")
        if self.error is not None:
            raise Unavailable(f"{where}: {self.error}")
        if self.status is not p.Status.OK:
            said = "does not know it" if self.status is p.Status.UNKNOWN else "refuses"
            raise InputError(f"{where}: the device {said}")

    def end(self, error: str) -> None:
        """It will never be done."""
        self.error = error
        self.done.set()


class Calls:
    """Those of one port. `add` is anybody's, the rest the port's thread's."""

    def __init__(self, name: str) -> None:
        """None yet.

        Args:
            name: the port's, for the log.
        """
        self._name = name
        self._lock = threading.Lock()
        self._new: list[Call] = []
        self._tickets: dict[int, Call] = {}
        self._answers: dict[int, Call] = {}
        self._next_id = secrets.randbelow(2**16)

    def add(self, call: Call) -> None:
        """Has a call made soon."""
        with self._lock:
            self._new.append(call)

    def send(self, link: Link) -> None:
        """Makes those that were added."""
        with self._lock:
            calls, self._new = self._new, []
        for call in calls:
            packet = call.packet
            if isinstance(packet, p.Command):
                self._next_id = (self._next_id + 1) % 2**16
                packet = p.Command(self._next_id, packet.name, packet.argument)
                self._answers[packet.id] = call
                while len(self._answers) > _MOST_ANSWERS:
                    self._answers.pop(next(iter(self._answers))).end("others came after it")
            ticket = link.send_surely(packet)
            if ticket is not None:
                self._tickets[ticket] = call
            elif link.is_open:
                call.end("it is too long for the device, or too much waits to be sent")
            else:
                call.end("no device answers")

    def settled(self, settled: Settled) -> None:
        """A message was acknowledged, or given up."""
        call = self._tickets.pop(settled.ticket, None)
        if call is None:
            return
        if settled.status is None:
            call.end("the device did not acknowledge")
            return
        if settled.status is p.Status.OK and isinstance(call.packet, p.Command):
            return  # its RESPONSE is still to come
        if settled.status is not p.Status.OK:
            what = "a command" if isinstance(call.packet, p.Command) else "settings"
            _log.warning("%s: the device refused %s: %s", self._name, what, settled.status.name)
        call.status = settled.status
        call.done.set()

    def answered(self, response: p.Response) -> None:
        """A command was answered."""
        call = self._answers.pop(response.id, None)
        if call is not None:
            call.response, call.status = response, p.Status.OK
            call.done.set()

    def end(self, reason: str) -> None:
        """None of them will be answered."""
        with self._lock:
            calls, self._new = self._new, []
        for call in (*calls, *self._tickets.values(), *self._answers.values()):
            call.end(reason)
        self._tickets.clear()
        self._answers.clear()
