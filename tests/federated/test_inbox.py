"""Messages in chunks: any order, twice, several at once, and never more than allowed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.learning.federated.framing import chunked
from edgekit.learning.federated.inbox import Inbox


@given(
    st.lists(st.binary(min_size=1, max_size=400), min_size=1, max_size=4, unique=True),
    st.randoms(use_true_random=False),
)
@settings(deadline=None)
def test_interleaved_messages_come_whole(messages: list[bytes], rng: object) -> None:
    chunks = [(n, chunk) for n, message in enumerate(messages) for chunk in chunked(message, 80)]
    rng.shuffle(chunks)  # type: ignore[attr-defined]
    inbox = Inbox(1000)
    found = [message for _, chunk in chunks if (message := inbox.add(chunk)) is not None]
    assert sorted(found) == sorted(messages)
    assert inbox.unfinished == {}


def test_the_message_that_is_silent_longest_gives_way() -> None:
    inbox = Inbox(1000, most=2)
    several = [chunked(bytes([n]) * 100, 80) for n in range(3)]
    for chunks in several:
        inbox.add(chunks[0])
    assert len(inbox.unfinished) == 2
    assert all(missing for missing in inbox.unfinished.values())
    for chunk in several[2][1:-1]:
        assert inbox.add(chunk) is None
    assert inbox.add(several[2][-1]) == bytes([2]) * 100


def test_a_message_that_is_too_large_is_let_go() -> None:
    inbox = Inbox(100)
    *first, last = chunked(bytes(110), 80)
    for chunk in first:
        inbox.add(chunk)
    with pytest.raises(InputError, match="larger than 100"):
        inbox.add(last)
    assert inbox.unfinished == {}
