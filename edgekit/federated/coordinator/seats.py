"""A board's place in a round, and what a coordinator is to do: values without I/O."""

from dataclasses import dataclass
from typing import Literal

SeatState = Literal["invited", "accepted", "delivered", "refused", "declined", "silent"]
ReceiptState = Literal["counted", "refused", "late", "void"]


@dataclass(frozen=True)
class Seat:
    """A board's place in a round.

    Attributes:
        board: its name.
        number: of the round, as messages have it.
        version: of the global model that it begins with.
        due_s: when an update comes too late, in seconds since 1970.
        told_s: when it was last invited.
        state: how far it is.
        boot: the board's, when it was last invited.
        gone_s: since when the board is offline; `None` while it is online.
        digest: names the update that was stored.
        why: why it declined or was refused.
    """

    board: str
    number: int
    version: int
    due_s: float
    told_s: float
    state: SeatState = "invited"
    boot: str = ""
    gone_s: float | None = None
    digest: bytes = b""
    why: str = ""

    @property
    def is_open(self) -> bool:
        """Whether an update may still come."""
        return self.state not in ("delivered", "refused")

    def holds(self, now_s: float, grace_s: float) -> bool:
        """Whether a round waits for it."""
        if self.state not in ("invited", "accepted"):
            return False
        return self.gone_s is None or now_s < self.gone_s + grace_s


@dataclass(frozen=True)
class Attempt:
    """A round with one cohort, from its invitations to its end.

    Attributes:
        number: of the round, as messages have it; never used again.
        version: of the global model.
        needed: how many updates it takes, the first that come.
        due_s: when it ends at the latest.
    """

    number: int
    version: int
    needed: int
    due_s: float


@dataclass(frozen=True)
class Standing:
    """Where a job stands: what is remembered of it.

    Attributes:
        version: of the global model.
        done: how many rounds count.
        next_number: the next round's; above all that were used.
        seats: of the open rounds.
        attempt: the open one; `None` between two, and without rounds.
        failures: how many attempts at this round have failed.
        buffer: which updates wait to be combined without rounds: round and board.
    """

    version: int = 0
    done: int = 0
    next_number: int = 1
    seats: tuple[Seat, ...] = ()
    attempt: Attempt | None = None
    failures: int = 0
    buffer: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Rules:
    """How rounds go; see `edgekit.federated.job.schema.RoundsTable`.

    Attributes:
        step: what boards have to say that they train.
        minimum: the fewest boards that begin a round.
        least: the fewest updates that make one.
        replaces: whether boards that leave give their place to others; not where who takes part
            has to be drawn once.
        seed: of who is chosen; `None` for what nobody can guess.
    """

    step: str
    count: int = 20
    minimum: int = 2
    least: int = 2
    replaces: bool = True
    over: float = 0.0
    deadline_s: float = 600.0
    answer_s: float = 30.0
    grace_s: float = 10.0
    attempts: int = 5
    pause_s: float = 30.0
    staleness: int = 20
    seed: int | None = 0


@dataclass(frozen=True)
class Open:
    """Remember that an attempt has begun."""

    attempt: Attempt


@dataclass(frozen=True)
class Summon:
    """Invite a board, or invite it again; remember it where it is `new`."""

    seat: Seat
    new: bool = True


@dataclass(frozen=True)
class Reply:
    """Tell a board what became of its update, or of the round."""

    board: str
    number: int
    state: ReceiptState
    why: str = ""


@dataclass(frozen=True)
class Combine:
    """Combine what is stored of these rounds and boards, and then say `committed` or `failed`."""

    updates: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Abandon:
    """Remember that an attempt does not count."""

    number: int
    why: str


@dataclass(frozen=True)
class Stop:
    """The job is over."""

    state: Literal["finished", "stopped"]
    why: str


@dataclass(frozen=True)
class Note:
    """A line for the history; `who` is a board, or empty for the job."""

    who: str
    what: str


Action = Open | Summon | Reply | Combine | Abandon | Stop | Note


@dataclass(frozen=True)
class Verdict:
    """What is to be made of an update before anybody looks into it.

    Attributes:
        state: what the board is told.
        why: the reason.
        is_news: whether it belongs in the history.
    """

    state: ReceiptState
    why: str = ""
    is_news: bool = True
