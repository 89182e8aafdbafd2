"""How a trained update gets to the coordinator: as it is, or hidden in a sum."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Protocol

from edgekit.errors import InputError
from edgekit.learning.federated.framing import decode_update
from edgekit.learning.federated.messages import Invite, Secure, encode
from edgekit.learning.federated.update import as_vector

Shapes = dict[str, tuple[int, ...]]


class Delivery(Protocol):
    """What is said of an update, from the answer yes until the coordinator's receipt."""

    def begin(self) -> Sequence[bytes]:
        """What to send when the board takes part."""

    def trained(self, update: bytes) -> Sequence[bytes]:
        """What to send when the update is there, encoded."""

    def heard(self, said: Secure) -> Sequence[bytes]:
        """What to send on a message of secure aggregation.

        Raises:
            InputError: it cannot be at this point.
        """

    def again(self) -> Sequence[bytes]:
        """What may have been lost, in order: for a reconnect."""


class PlainDelivery:
    """Sends the update as one message."""

    def __init__(self) -> None:
        self._update: bytes | None = None

    def begin(self) -> Sequence[bytes]:
        """See `Delivery`: there is nothing to agree on."""
        return []

    def trained(self, update: bytes) -> Sequence[bytes]:
        """See `Delivery`."""
        self._update = update
        return [update]

    def heard(self, said: Secure) -> Sequence[bytes]:
        """See `Delivery`: nothing is hidden, so there is nothing to agree on."""
        return []

    def again(self) -> Sequence[bytes]:
        """See `Delivery`."""
        return [] if self._update is None else [self._update]


class SecureDelivery:
    """Hides the update in the sum of many: see `edgekit.learning.federated.secure`.

    The phases go on while the board still trains; the message that asks for the masked update
    waits until there is one.

    Args:
        device: the board.
        invite: of the round.
        shapes: of what travels.
        save: keeps the state; it is on the disk when that returns.
        state: to go on from, after a restart.

    Raises:
        InputError: the settings are not safe or not of this model, or `cryptography` is missing.
    """

    def __init__(
        self,
        device: str,
        invite: Invite,
        shapes: Shapes,
        *,
        save: Callable[[bytes], object],
        state: bytes | None = None,
    ) -> None:
        from edgekit.learning.federated.secure import SecureBoard, decode_settings

        assert invite.secure is not None
        settings = decode_settings(invite.secure)
        if settings.size != (size := sum(map(prod, shapes.values()))):
            raise InputError(f"the secure sum is of {settings.size} numbers, the model has {size}")
        self._invite, self._shapes = invite, shapes
        self._update: bytes | None = None
        self._asked: bytes | None = None
        if state is None:
            self._board = SecureBoard(device, settings, save=save)
        else:
            self._board = SecureBoard.resumed(state, save=save)

    def begin(self) -> Sequence[bytes]:
        """See `Delivery`: public keys."""
        return [self._said("advertise", self._board.advertise())]

    def trained(self, update: bytes) -> Sequence[bytes]:
        """See `Delivery`: the masked update, where it was asked for."""
        self._update = update
        return [] if self._asked is None else self._masked(self._asked, update)

    def heard(self, said: Secure) -> Sequence[bytes]:
        """See `Delivery`; a message of a phase that is over is answered with the last answer."""
        from edgekit.learning.federated.secure import PHASES

        over = PHASES[: PHASES.index(self._board.phase)] if self._board.phase else ()
        if said.phase in over:
            return self.again()
        match said.phase:
            case "share":
                return [self._said("share", self._board.share(said.data))]
            case "mask":
                self._asked = said.data
                return [] if self._update is None else self._masked(said.data, self._update)
            case "unmask":
                return [self._said("unmask", self._board.unmask(said.data))]
            case _:
                raise InputError(f"secure aggregation has no phase {said.phase!r}")

    def again(self) -> Sequence[bytes]:
        """See `Delivery`: the last answer."""
        return [self._said(self._board.phase, self._board.answer)] if self._board.phase else []

    def _masked(self, message: bytes, update: bytes) -> Sequence[bytes]:
        found = decode_update(update, self._shapes)
        samples = min(found.samples, self._board.settings.samples)
        return [self._said("mask", self._board.mask(message, as_vector(found.change), samples))]

    def _said(self, phase: str, data: bytes) -> bytes:
        return encode(
            Secure(run=self._invite.run, round=self._invite.round, phase=phase, data=data)
        )
