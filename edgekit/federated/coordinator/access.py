"""What a coordinator may say and hear at the broker, as lines of mosquitto's `acl_file`."""

from edgekit.messaging.topics import FEDERATED_PREFIX, PREFIX, FederatedTopics


def coordinator_lines(user: str, topics: FederatedTopics) -> list[str]:
    """A coordinator's part of the access list; boards' parts come from `edgekit provision`.

    Args:
        user: the name that the broker knows the coordinator by.
        topics: the job's.
    """
    job = topics.job
    return [
        f"user {user}",
        f"topic read {PREFIX}/{topics.fleet}/+/status",
        f"topic read {topics.from_boards('ready')}",
        f"topic read {topics.from_boards('up')}",
        f"topic write {PREFIX}/{topics.fleet}/+/fl/{job}/down",
        f"topic readwrite {FEDERATED_PREFIX}/{topics.fleet}/{job}/#",
    ]
