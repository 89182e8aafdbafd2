"""Gives a board a hint, and follows what it says, over lost connections and restarts."""

import time
from collections.abc import Callable
from typing import Protocol

from edgekit.daemon.deploy_control.hinting import is_over
from edgekit.daemon.deploy_control.messages import Parcel
from edgekit.deploy.ssh.board import Board
from edgekit.deploy.ssh.control import Control
from edgekit.errors import EdgekitError, Unavailable
from edgekit.messaging.payloads import DeployDesired, DeployStatus

_RETRY_S = 2.0


class Told(Protocol):
    """Is told how far the board is."""

    def step(self, text: str) -> None:
        """Something happened."""

    def status(self, status: DeployStatus) -> None:
        """The board says how far it is."""


class Follower:
    """Waits for a board's verdict. The board goes on by itself, whatever becomes of us."""

    def __init__(
        self,
        board: Board,
        control: Control,
        told: Told,
        *,
        deadline_s: float,
        stretch_s: float = 15.0,
        clock_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Nothing is asked yet.

        Args:
            board: logged in to.
            control: its helper.
            told: is told how far the board is.
            deadline_s: how long to wait for the board's verdict.
            stretch_s: how often to look whether the daemon still runs.
            clock_s: seconds that never jump.
            wait: passes so many seconds.
        """
        self._board = board
        self._control = control
        self._told = told
        self._deadline_s = deadline_s
        self._stretch_s = stretch_s
        self._clock_s = clock_s
        self._wait = wait
        self._last: DeployStatus | None = None

    def wait(self, name: str, wish: DeployDesired, *, keep: Parcel | None = None) -> DeployStatus:
        """Gives the hint, and waits until the daemon is done with it; gives its last word.

        Args:
            name: the bundle's.
            wish: the hint.
            keep: what the board's copy of the repository is tidied to then.

        Raises:
            Unavailable: there was none in time.
        """
        try:
            return self._follow(name, wish, keep)
        except KeyboardInterrupt:
            self._told.step(self._let_go(name, wish))
            raise

    def _follow(self, name: str, wish: DeployDesired, keep: Parcel | None) -> DeployStatus:
        deadline = self._clock_s() + self._deadline_s
        is_lost = False
        while (left := deadline - self._clock_s()) > 0:
            try:
                stretch_s = min(self._stretch_s, left)
                for status in self._control.follow(name, wish, keep=keep, for_s=stretch_s):
                    is_lost = False
                    self._pass_on(status, wish)
                    if is_over(status, wish):
                        return status
                start(self._board, self._told.step)
            except Unavailable as error:
                if not is_lost:
                    self._told.step(f"{error}; the board goes on; trying again")
                is_lost = True
                self._wait(_RETRY_S)
        raise Unavailable(
            f"{self._board.name}: {name} {wish.version}: no verdict within "
            f"{self._deadline_s:.0f} s; the board goes on by itself: `edgekit status` tells"
        )

    def _pass_on(self, status: DeployStatus, wish: DeployDesired) -> None:
        """Tells what is about this hint, once."""
        if status != self._last and (status.rollout == wish.rollout):
            self._last = status
            self._told.status(status)

    def _let_go(self, name: str, wish: DeployDesired) -> str:
        """What became of a hint that nobody waits for any more."""
        label = f"{name} {wish.version}"
        try:
            self._control.withdraw(name, wish.rollout or "")
            report = self._control.describe()
        except EdgekitError:
            return f"{label}: the board decides by itself; `edgekit status` tells"
        statuses = [each.status for each in report.bundles if each.name == name]
        if any(status is not None and status.rollout == wish.rollout for status in statuses):
            return f"{label}: the board had begun, and decides by itself; `edgekit status` tells"
        return f"{label}: withdrawn; the board changed nothing"


def start(board: Board, step: Callable[[str], None]) -> None:
    """Starts the daemon where it does not run.

    Raises:
        InputError: it does not start: why.
        Unavailable: the connection was lost.
    """
    if board.succeeds(board.service.is_active()):
        return
    step("starting edgekitd")
    ran = board.connection.run(board.rightful(board.service.start()))
    if ran.code == 0:
        return
    said = board.connection.run(board.rightful(board.service.logs(lines=20, follow=False)))
    lines = said.out.decode(errors="replace").splitlines()
    reasons = [line.partition("error: ")[2] for line in lines if "error: " in line]
    raise board.failure("start edgekitd", reasons[-1] if reasons else ran.said)
