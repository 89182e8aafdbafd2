"""Where on the broker a board speaks: ``edgekit/v1/<fleet>/<device>/...``."""

from dataclasses import dataclass
from typing import Literal

from edgekit.errors import InputError

PREFIX = "edgekit/v1"
"""What every topic starts with; the number changes only with a schema that old readers misread."""

FEDERATED_PREFIX = "edgekit/federated/v1"
"""What the topics start with where a coordinator speaks to all boards."""

FederatedPart = Literal["ready", "up", "down"]

_LONGEST_NAME = 64
_TWO_LEVEL_KINDS = ("twin", "deploy")


@dataclass(frozen=True)
class Topics:
    """The topics of one board.

    Raises:
        InputError: a name is empty, longer than 64 characters, or holds a character that MQTT
            gives a meaning (`/`, `+`, `#`) or that cannot be printed.
    """

    fleet: str
    device: str

    def __post_init__(self) -> None:
        check_name("fleet", self.fleet)
        check_name("device", self.device)

    @property
    def prefix(self) -> str:
        """What all of this board's topics start with, with the closing slash."""
        return f"{PREFIX}/{self.fleet}/{self.device}/"

    @property
    def status(self) -> str:
        """Whether the board is online; retained."""
        return self.prefix + "status"

    @property
    def metrics(self) -> str:
        """Counts and latencies of the board."""
        return self.prefix + "metrics"

    @property
    def twin_desired(self) -> str:
        """Settings wished from afar; retained."""
        return self.prefix + "twin/desired"

    @property
    def twin_reported(self) -> str:
        """What became of the wish; retained."""
        return self.prefix + "twin/reported"

    @property
    def commands(self) -> str:
        """The filter of every command to this board."""
        return self.prefix + "cmd/+"

    @property
    def deploy_desires(self) -> str:
        """The filter of every hint to update this board."""
        return self.prefix + "deploy/desired/+"

    def deploy_desired(self, bundle: str) -> str:
        """The hint to update one bundle; retained.

        Raises:
            InputError: the bundle's name cannot stand in a topic.
        """
        check_name("bundle", bundle)
        return f"{self.prefix}deploy/desired/{bundle}"

    def deploy_status(self, bundle: str) -> str:
        """Where the update of one bundle stands; retained.

        Raises:
            InputError: the bundle's name cannot stand in a topic.
        """
        check_name("bundle", bundle)
        return f"{self.prefix}deploy/status/{bundle}"

    def federated(self, job: str, part: FederatedPart) -> str:
        """What this board and the coordinator of a federated job say to each other.

        Args:
            job: its name.
            part: `ready` (retained) and `up` from the board, `down` to it.

        Raises:
            InputError: the job's name cannot stand in a topic.
        """
        check_name("job", job)
        return f"{self.prefix}fl/{job}/{part}"

    def infer(self, pipeline: str) -> str:
        """The predictions of one pipeline.

        Raises:
            InputError: the pipeline's name cannot stand in a topic.
        """
        check_name("pipeline", pipeline)
        return f"{self.prefix}infer/{pipeline}"

    def event(self, rule: str) -> str:
        """The firings of one rule.

        Raises:
            InputError: the rule's name cannot stand in a topic.
        """
        check_name("rule", rule)
        return f"{self.prefix}event/{rule}"

    def command(self, verb: str) -> str:
        """Commands of one verb.

        Raises:
            InputError: the verb cannot stand in a topic.
        """
        check_name("verb", verb)
        return f"{self.prefix}cmd/{verb}"

    def answer(self, verb: str, command_id: str) -> str:
        """The answer to one command.

        Raises:
            InputError: the verb or the id cannot stand in a topic.
        """
        check_name("verb", verb)
        check_name("command's id", command_id)
        return f"{self.prefix}res/{verb}/{command_id}"


@dataclass(frozen=True)
class FederatedTopics:
    """Where the coordinator of one federated job speaks to all boards of a fleet at once.

    Boards may read there, and the coordinator alone may write: see `docs/federated.md`.

    Raises:
        InputError: a name cannot stand in a topic.
    """

    fleet: str
    job: str

    def __post_init__(self) -> None:
        check_name("fleet", self.fleet)
        check_name("job", self.job)

    def model(self, name: bytes, number: int | None = None) -> str:
        """A chunk of a global model; retained while its round lasts.

        Args:
            name: the first 16 bytes of the SHA-256 of the whole message.
            number: of the chunk; `None` for the filter of all.
        """
        chunk = "+" if number is None else str(number)
        return f"{FEDERATED_PREFIX}/{self.fleet}/{self.job}/model/{name.hex()}/{chunk}"

    def from_boards(self, part: FederatedPart) -> str:
        """The filter of what all boards say at `ready` or `up`."""
        return f"{PREFIX}/{self.fleet}/+/fl/{self.job}/{part}"


@dataclass(frozen=True)
class Place:
    """What a topic says of the message on it.

    Attributes:
        kind: the levels that do not vary: `status`, `infer`, `twin/desired`, ...
        name: the pipeline, rule or verb, with an id after a slash; empty where there is none.
    """

    fleet: str
    device: str
    kind: str
    name: str


def place_of(topic: str) -> Place | None:
    """Takes a topic apart; `None` where it is not one of a board's."""
    levels = topic.split("/")
    if len(levels) < 5 or "/".join(levels[:2]) != PREFIX or not all(levels):
        return None
    fleet, device, kind, *rest = levels[2:]
    if kind in _TWO_LEVEL_KINDS and rest:
        kind, rest = f"{kind}/{rest[0]}", rest[1:]
    return Place(fleet, device, kind, "/".join(rest))


def check_name(what: str, name: str) -> None:
    """Refuses a name that cannot be one level of a topic.

    Args:
        what: what the name is of, for the message.
        name: the name.

    Raises:
        InputError: it is empty, too long, or holds a character it must not.
    """
    if not name:
        raise InputError(f"the {what} name is empty; give it one")
    if len(name) > _LONGEST_NAME:
        raise InputError(f"the {what} name {name!r} is longer than {_LONGEST_NAME} characters")
    bad = sorted({letter for letter in name if letter in "/+#" or not letter.isprintable()})
    if bad:
        raise InputError(
            f"the {what} name {name!r} holds {' '.join(map(repr, bad))}, "
            "which an MQTT topic level cannot; use letters, digits, - and _"
        )
