"""The line to the broker stays bounded, in order, and its counts add up."""

from hypothesis import given
from hypothesis import strategies as st

from edgekit.messaging.outgoing import LinkCounts, Outgoing, Publication


def _message(number: int, qos: int = 1) -> Publication:
    return Publication("t", b"%d" % number, qos)


def _hand_over(line: Outgoing, packet_id: int) -> Publication:
    item = line.take()
    assert item is not None
    line.handed_over(item, packet_id)
    return item


def test_the_oldest_makes_room_for_the_newest() -> None:
    line = Outgoing(2)
    assert all(line.add(_message(number)) for number in range(3))
    assert line.counts == LinkCounts(sent=0, acknowledged=0, dropped=1, waiting=2)
    assert [line.take(), line.take(), line.take()] == [_message(1), _message(2), None]


def test_what_is_in_flight_is_never_pushed_out() -> None:
    line = Outgoing(1)
    line.add(_message(0))
    _hand_over(line, 1)
    assert not line.add(_message(1))
    assert line.confirmed(1, accepted=True) == _message(0)
    assert line.counts == LinkCounts(sent=1, acknowledged=1, dropped=1, waiting=0)


def test_what_a_lost_connection_held_goes_first_and_in_order() -> None:
    line = Outgoing(10)
    for number in range(4):
        line.add(_message(number))
    for packet_id in range(3):
        _hand_over(line, packet_id)
    line.confirmed(1, accepted=True)
    line.connection_lost()
    again = [_hand_over(line, packet_id).payload for packet_id in range(3)]
    assert again == [b"0", b"2", b"3"]
    assert line.counts == LinkCounts(sent=4, acknowledged=1, dropped=0, waiting=3)


def test_a_message_that_ends_every_connection_is_given_up() -> None:
    line = Outgoing(10)
    line.add(_message(0))
    for attempt in range(5):
        _hand_over(line, attempt)
        line.connection_lost()
    assert line.take() is None
    assert line.counts.dropped == 1


def test_an_answer_to_nothing_is_passed_over() -> None:
    line = Outgoing(1)
    assert line.confirmed(9, accepted=True) is None
    assert line.counts == LinkCounts(0, 0, 0, 0)


_steps = st.lists(
    st.sampled_from(["add", "add0", "hand over", "accept", "refuse", "lose", "abandon"])
)


@given(_steps, st.integers(1, 4))
def test_every_message_is_counted_in_one_place(steps: list[str], limit: int) -> None:
    line, added, next_id, in_flight = Outgoing(limit), 0, 0, list[int]()
    for step in steps:
        match step:
            case "add" | "add0":
                line.add(_message(added, qos=1 if step == "add" else 0))
                added += 1
            case "hand over":
                item = line.take()
                if item is not None:
                    next_id += 1
                    line.handed_over(item, next_id)
                    in_flight += [next_id] if item.qos else []
            case "accept" | "refuse" if in_flight:
                line.confirmed(in_flight.pop(0), accepted=step == "accept")
            case "lose":
                line.connection_lost()
                in_flight.clear()
            case "abandon":
                line.abandon()
                in_flight.clear()
        counts = line.counts
        assert counts.acknowledged + counts.dropped + counts.waiting == added
        assert counts.waiting <= limit
        assert line.in_flight == len(in_flight)
