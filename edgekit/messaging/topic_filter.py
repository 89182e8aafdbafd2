"""What a topic may be, and which topics a subscription covers: MQTT 5, section 4.7."""

from functools import lru_cache

_LONGEST_BYTES = 65535


@lru_cache(256)  # a board publishes to a few, over and over
def is_topic(text: str) -> bool:
    """Whether messages can be published to it: no wildcards."""
    return is_topic_filter(text) and not {"+", "#"} & set(text)


def is_topic_filter(text: str) -> bool:
    """Whether it can be subscribed to: `+` stands for one level, a last `#` for all below."""
    try:
        if not text or "\0" in text or len(text.encode()) > _LONGEST_BYTES:
            return False
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    levels = text.split("/")
    return (
        all(level in ("+", "#") or not ({"+", "#"} & set(level)) for level in levels)
        and "#" not in levels[:-1]
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter covers a topic; wildcards leave topics that begin with `$` alone."""
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)] if len(levels) >= len(wanted) else levels
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )
