"""The mailbox: bounded, and honest about what it drops."""

import threading

import numpy as np

from edgekit.pipeline.mailbox import Mailbox
from edgekit.pipeline.parts import Sample


def sample(number: int, released: list[int] | None = None) -> Sample:
    kept = released if released is not None else []
    return Sample(np.array([number]), 0, 0, str(number), lambda: kept.append(number))


def test_newest_replaces_and_counts_and_gives_memory_back() -> None:
    released: list[int] = []
    box = Mailbox("newest")
    skipped = sum(box.put(sample(number, released)) for number in range(5))
    taken = box.take()
    assert taken is not None
    assert taken.origin == "4"
    assert (skipped, released) == (4, [0, 1, 2, 3])


def test_every_makes_the_source_wait_and_loses_nothing() -> None:
    box = Mailbox("every", capacity=2)
    skipped: list[int] = []
    thread = threading.Thread(target=lambda: skipped.extend(box.put(sample(n)) for n in range(20)))
    thread.start()
    taken = [box.take() for _ in range(20)]
    thread.join(5)
    assert [item.origin for item in taken if item] == [str(n) for n in range(20)]
    assert sum(skipped) == 0


def test_what_waits_can_be_taken_after_closing() -> None:
    box = Mailbox("every")
    box.put(sample(1))
    box.close()
    assert box.take() is not None
    assert box.take() is None


def test_closing_wakes_a_source_that_waits_and_discards() -> None:
    released: list[int] = []
    box = Mailbox("every", capacity=1)
    box.put(sample(0, released))
    thread = threading.Thread(target=lambda: box.put(sample(1, released)))
    thread.start()
    box.close(discard=True)
    thread.join(5)
    assert not thread.is_alive()
    assert sorted(released) == [0, 1]
    assert box.take() is None
