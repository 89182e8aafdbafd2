"""What a board may say and hear at the broker, as lines of mosquitto's `acl_file`."""

from collections.abc import Iterable

from edgekit.messaging.discovery import discovery_topic
from edgekit.messaging.topics import FEDERATED_PREFIX, Topics

_HOME_ASSISTANT = "homeassistant"


def access_lines(user: str, topics: Topics, *, home_assistant: bool = True) -> list[str]:
    """A board's part of the access list: it writes below its own prefix and reads its orders.

    No patterns are used, so that what a board may do can be read off the file.

    Args:
        user: the name that the broker knows the board by.
        topics: the board's.
        home_assistant: whether it may announce itself to Home Assistant.
    """
    own = topics.prefix
    lines = [
        f"user {user}",
        f"topic write {own}#",
        *(f"topic read {own}{orders}" for orders in ("cmd/#", "twin/desired", "fl/#", "deploy/#")),
        f"topic read {FEDERATED_PREFIX}/{topics.fleet}/#",
    ]
    if home_assistant:
        lines += [
            f"topic readwrite {discovery_topic(_HOME_ASSISTANT, topics)}",
            f"topic read {_HOME_ASSISTANT}/status",
        ]
    return lines


def access_list(boards: Iterable[tuple[str, Topics]]) -> str:
    """The whole file: a part a user, in the order of their names."""
    parts = [access_lines(user, topics) for user, topics in sorted(boards, key=lambda one: one[0])]
    return "".join("\n".join(part) + "\n\n" for part in parts)
