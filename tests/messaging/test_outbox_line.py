"""Live messages go first, late ones at a bounded rate, and one that ends connections waits."""

import json
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.messaging.outbox_line import FETCH, OutboxLine
from edgekit.messaging.outbox_message import Priority, Stored, marked_late
from edgekit.messaging.outbox_rate import TokenBucket


class _Disk:
    """A line with the disk that it reads from."""

    def __init__(self, *, late_per_s: float = 1e6, count: int = 0) -> None:
        self.now_s = 0.0
        self.rows: dict[int, Stored] = {}
        self.next_id = 1
        self.stale: set[int] = set()
        self.line = OutboxLine(
            next_id=1,
            late_per_s=late_per_s,
            is_stale=lambda message: message.id in self.stale,
            clock_s=lambda: self.now_s,
        )
        self.store(count)

    def store(self, count: int = 1) -> None:
        new = [
            Stored("t", b"{}", Priority.EVENT, self.next_id + number, 1e9)
            for number in range(count)
        ]
        self.next_id += count
        self.rows |= {message.id: message for message in new}
        self.line.committed(new, self.next_id)

    def take(self) -> Stored | None:
        while (wish := self.line.wish()) is not None:
            ids = sorted(each for each in self.rows if wish.after_id < each < wish.before_id)
            found = [
                Stored("t", b"{}", Priority.EVENT, each, 1e9, is_late=True) for each in ids[:FETCH]
            ]
            self.line.fetched(wish, found)
        self.now_s += 1e-3
        return self.line.take()

    def take_all(self) -> list[int]:
        taken = []
        while (message := self.take()) is not None:
            taken.append(message.id)
            self.settle([message.id])
        return taken

    def settle(self, ids: Sequence[int]) -> None:
        for each in ids:
            self.line.settled(each)
            del self.rows[each]
        self.line.deleted(ids)


def test_what_was_stored_before_the_broker_came_is_late_and_in_order() -> None:
    disk = _Disk(count=200)
    assert disk.take() is None
    disk.line.connected(20)
    first = disk.take()
    assert first is not None
    assert first.is_late
    disk.settle([first.id])
    assert disk.take_all() == list(range(2, 201))


def test_a_live_message_goes_before_all_that_are_late() -> None:
    disk = _Disk(count=50)
    disk.line.connected(4)
    assert [message.id for message in (disk.take(), disk.take()) if message] == [1, 2]
    assert disk.take() is None  # half of the window is for live ones
    disk.store()
    live = disk.take()
    assert live is not None
    assert (live.id, live.is_late) == (51, False)


def test_late_messages_go_out_at_their_rate() -> None:
    disk = _Disk(late_per_s=10, count=100)
    disk.line.connected(20)
    sent = 0
    while disk.now_s < 5:
        if (message := disk.take()) is not None:
            disk.settle([message.id])
            sent += 1
    assert 45 <= sent <= 55
    wait_s = disk.line.wait_s()
    assert wait_s is not None
    assert wait_s <= 0.1


def test_what_was_in_flight_at_a_loss_is_late_and_in_its_place() -> None:
    disk = _Disk()
    disk.line.connected(20)
    disk.store(5)
    taken = [disk.take() for _ in range(5)]
    assert not any(message.is_late for message in taken if message)
    disk.settle([2])
    disk.line.connection_lost()
    disk.line.connected(20)
    again = [message for message in (disk.take() for _ in range(4)) if message]
    assert [message.id for message in again] == [1, 3, 4, 5]
    assert all(message.is_late for message in again)


def test_a_line_of_live_messages_that_grows_too_long_goes_to_the_disk() -> None:
    disk = _Disk()
    disk.line.connected(20)
    disk.store(1000)
    taken = disk.take_all()
    assert sorted(taken) == list(range(1, 1001))
    live = [each for each in taken if each > 488]
    assert live == sorted(live)


def test_after_an_end_without_progress_one_message_goes_alone() -> None:
    disk = _Disk(count=10)
    disk.line.connected(20)
    assert [disk.take(), disk.take()] != [None, None]
    disk.line.connection_lost()
    disk.line.connected(20)
    # the first connection had no answer at all
    first = disk.take()
    assert first is not None
    assert disk.take() is None
    disk.settle([first.id])
    assert disk.take() is not None
    assert disk.take() is not None


def test_a_message_that_ends_every_connection_is_set_aside_and_comes_back() -> None:
    disk = _Disk(count=3)
    parked: list[int] = []
    for _ in range(7):
        disk.line.connected(20)
        disk.take()
        parked += disk.line.connection_lost()
        if parked:
            break
    assert parked == [1]
    disk.line.connected(20)
    assert disk.take_all() == [2, 3]
    disk.now_s += 601
    disk.take()  # finds that the time is over; the disk is read after that
    assert disk.take_all() == [1]


def test_a_broker_without_room_is_left_alone_and_then_gets_all_in_order() -> None:
    disk = _Disk()
    disk.line.connected(20)
    disk.store(3)
    assert [message.id for message in (disk.take(), disk.take()) if message] == [1, 2]
    wait_s = disk.line.hold(1)
    assert 0.5 <= wait_s <= 1.0
    disk.store()
    assert disk.take() is None
    disk.now_s += wait_s
    disk.take()  # finds that the time is over; the disk is read after that
    disk.settle([2])  # it was in flight, and the broker took it
    assert disk.take_all() == [1, 3, 4]


def test_a_stale_message_is_passed_over() -> None:
    disk = _Disk(count=3)
    disk.stale = {1, 3}
    disk.line.connected(20)
    message = disk.take()
    assert message is not None
    assert message.id == 2
    disk.settle([2])
    assert disk.take() is None
    assert [message.id for message in disk.line.stale] == [1, 3]


def test_what_is_in_flight_may_not_be_deleted() -> None:
    disk = _Disk()
    disk.line.connected(20)
    disk.store(3)
    disk.take()
    assert disk.line.gone([1, 2, 3]) == [2, 3]
    del disk.rows[2], disk.rows[3]
    assert disk.take() is None


_steps = st.lists(st.sampled_from(["store", "take", "ack", "lose", "connect", "hold", "tick"]))


@given(_steps, st.integers(1, 3))
@settings(deadline=None)
def test_every_message_is_sent_until_it_is_confirmed(steps: list[str], window: int) -> None:
    disk = _Disk()
    flying: list[int] = []
    for step in steps:
        match step:
            case "store":
                disk.store(3)
            case "take":
                if (message := disk.take()) is not None:
                    assert message.id not in flying
                    flying.append(message.id)
                    assert len(flying) <= window
            case "ack" if flying:
                disk.settle([flying.pop(0)])
            case "lose":
                disk.line.connection_lost()
                flying.clear()
            case "connect" if not disk.line.takes_live:
                disk.line.connection_lost()
                flying.clear()
                disk.line.connected(window)
            case "hold" if flying:
                disk.line.hold(flying.pop(0))
            case "tick":
                disk.now_s += 700
    disk.line.connection_lost()
    for _ in range(3):
        disk.now_s += 700
        disk.line.connected(window)
        disk.take_all()
        disk.now_s += 700
        disk.take_all()
    assert disk.rows == {}


@given(
    st.dictionaries(
        st.text().filter(lambda key: key != "hist"),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.integers()),
    ),
    st.sampled_from(["", " ", "\n"]),
)
@settings(deadline=None)
def test_a_late_object_says_so_and_is_else_the_same(fields: dict[str, object], space: str) -> None:
    marked = marked_late((space + json.dumps(fields) + space).encode())
    assert json.loads(marked) == fields | {"hist": True}


@given(st.binary().filter(lambda data: not data.strip().startswith(b"{")))
@settings(deadline=None)
def test_what_is_no_object_is_not_touched(payload: bytes) -> None:
    assert marked_late(payload) == payload


def test_a_pause_is_not_made_up_for_in_a_burst() -> None:
    now = [0.0]
    bucket = TokenBucket(50, clock_s=lambda: now[0])
    now[0] = 1000.0
    taken = 0
    while bucket.take():
        taken += 1
    assert taken == 5
    assert 0 < bucket.wait_s() <= 1 / 50
