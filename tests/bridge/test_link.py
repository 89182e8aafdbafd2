import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bridge import packets as p
from edgekit.bridge.framing import WHOLE, Flags, Frame, encode_frame
from edgekit.bridge.happenings import Arrived, Closed, Introduced, Opened
from edgekit.bridge.link import Link
from edgekit.bridge.noise import Noise
from edgekit.bridge.packets import Status, Type
from edgekit.bridge.reliable import Settled
from edgekit.bridge.writing import payload_of
from tests.bridge.wire import MS, START_NS, TABLES, new_device, new_wire, opened


def test_both_sides_open_within_a_few_frames_whoever_starts() -> None:
    wire = new_wire()
    wire.run(0.05)
    assert wire.host.is_open
    assert wire.device.is_open
    (found,) = [one for one in wire.at_host if isinstance(one, Opened)]
    assert found.is_new
    assert found.hello.device == TABLES


def test_a_lost_hello_costs_a_second() -> None:
    wire = new_wire()
    wire.to_device = Noise(drop=1.0)
    wire.run(0.5)
    assert not wire.device.is_open
    wire.to_device = Noise()
    wire.run(1.0)
    assert wire.device.is_open
    assert wire.host.is_open


def test_silence_of_five_seconds_closes_and_the_end_of_it_opens_again() -> None:
    wire = opened()
    wire.is_cut = True
    wire.run(6)
    assert not wire.host.is_open
    assert "5 s" in next(one.reason for one in wire.at_host if isinstance(one, Closed))
    wire.is_cut = False
    wire.run(1.5)
    assert wire.host.is_open
    assert [one.is_new for one in wire.at_host if isinstance(one, Opened)] == [True, False]


def test_a_device_that_restarts_ends_what_is_under_way_and_opens_a_new_session() -> None:
    wire = opened()
    wire.to_device = Noise(drop=1.0)
    ticket = wire.host.send_surely(p.Command(1, "calibrate"))
    wire.run(0.3)
    wire.to_device = Noise()
    wire.device = new_device(nonce=0xBEEF)
    wire.run(1.5)
    assert Settled(ticket, None) in wire.at_host
    assert [one.is_new for one in wire.at_host if isinstance(one, Opened)] == [True, True]
    assert wire.host.is_open


def test_a_restart_whose_numbers_begin_anew_counts_nothing_as_lost() -> None:
    wire = opened()
    for number in range(200):
        wire.device.send(p.Log(1, number, "x"))
    wire.run(0.1)
    wire.device = new_device(nonce=0xBEEF)
    wire.run(0.5)
    assert [one.is_new for one in wire.at_host if isinstance(one, Opened)] == [True, True]
    assert wire.host.counts.rx_lost == 0


def test_a_gap_before_tables_that_change_is_counted() -> None:
    wire = opened()
    wire.device.send(p.Log(1, 0, "x"))
    wire.device.take()
    wire.device.introduce(wire.now_ns)
    wire.run(0.1)
    assert wire.host.counts.rx_lost == 1


def test_heartbeats_come_once_a_second_while_nothing_else_does() -> None:
    wire = opened()
    wire.run(10)
    assert 9 <= len(wire.packets(wire.at_host, p.Heartbeat)) <= 11
    assert wire.host.is_open


def test_a_command_and_its_response_come_once_each() -> None:
    wire = opened()
    command = p.Command(513, "move", {"to": [-1, 2], "raw": b"\0\1"})
    ticket = wire.host.send_surely(command)
    wire.run(0.1)
    assert wire.packets(wire.at_device, p.Command) == [command]
    assert Settled(ticket, Status.OK) in wire.at_host
    wire.device.send_surely(p.Response(513, 0, "done"))
    wire.run(0.1)
    assert wire.packets(wire.at_host, p.Response) == [p.Response(513, 0, "done")]


def test_what_is_not_acknowledged_is_sent_five_times_and_given_up() -> None:
    wire = opened()
    wire.to_device = Noise(drop=1.0)
    before = wire.host.counts.tx_frames
    ticket = wire.host.send_surely(p.Command(1, "calibrate"))
    wire.run(3.9)
    assert wire.host.counts.tx_repeats == 4
    assert Settled(ticket, None) not in wire.at_host
    wire.to_host = Noise()
    wire.run(2.0)  # 250 + 500 + 1000 + 2000 ms, and 2 s after the fifth
    assert Settled(ticket, None) in wire.at_host
    assert wire.host.counts.tx_dropped == 1
    assert wire.host.counts.tx_frames > before


@pytest.mark.parametrize("seed", range(3))
def test_over_a_noisy_line_each_reliable_message_comes_once_and_in_order(seed: int) -> None:
    wire = new_wire(chance=2e-3, seed=seed)
    wire.run(5)
    assert wire.host.is_open
    tickets: dict[int, int] = {}
    numbers = iter(range(120))

    def each() -> None:
        if wire.host.is_open and len(tickets) - settled() < 5:
            number = next(numbers, None)
            if number is not None:
                ticket = wire.host.send_surely(p.Command(number, "step", "x" * (number * 7 % 900)))
                assert ticket is not None
                tickets[ticket] = number

    def settled() -> int:
        return sum(isinstance(one, Settled) for one in wire.at_host)

    wire.run(150, each=each)
    got = [one.id for one in wire.packets(wire.at_device, p.Command)]
    done = {one.ticket: one.status for one in wire.at_host if isinstance(one, Settled)}
    assert got == sorted(set(got))
    assert len(tickets) == 120
    for ticket, number in tickets.items():
        if done.get(ticket) is Status.OK:
            assert number in got
    for command in wire.packets(wire.at_device, p.Command):
        assert command.argument == "x" * (command.id * 7 % 900)
    assert len(got) > 100
    assert wire.host.counts.tx_repeats > 0


@pytest.mark.parametrize("seed", range(2))
def test_over_a_noisy_line_no_unreliable_packet_is_changed_doubled_or_out_of_order(
    seed: int,
) -> None:
    wire = new_wire(chance=3e-3, seed=100 + seed)
    wire.run(5)
    sent: dict[int, p.Data] = {}

    def each() -> None:
        if wire.device.is_open:
            number = len(sent)
            sent[number] = p.Data(1, number, number.to_bytes(4, "little") * (1 + number % 90))
            wire.device.send(sent[number])

    wire.run(15, each=each)
    came = wire.packets(wire.at_host, p.Data)
    assert [one.time_us for one in came] == sorted({one.time_us for one in came})
    assert all(one == sent[one.time_us] for one in came)
    assert 0.3 * len(sent) < len(came) < len(sent)
    assert wire.host.counts.rx_lost > 0


def test_a_message_longer_than_a_frame_comes_whole() -> None:
    wire = opened(max_frame=64)
    wire.host.send_surely(p.Command(1, "load", bytes(range(256)) * 7))
    wire.run(5)
    (command,) = wire.packets(wire.at_device, p.Command)
    assert command.argument == bytes(range(256)) * 7


def test_a_message_longer_than_the_other_end_takes_is_not_sent() -> None:
    wire = opened()
    assert wire.host.send_surely(p.Command(1, "load", bytes(3000))) is None
    assert wire.host.counts.tx_dropped == 1


def test_a_busy_device_is_asked_again_and_hears_it_once() -> None:
    answers = iter([Status.BUSY, Status.BUSY])
    wire = opened(judge=lambda packet: next(answers, Status.OK))
    ticket = wire.host.send_surely(p.Command(1, "move"))
    wire.run(2)
    assert Settled(ticket, Status.OK) in wire.at_host
    assert len(wire.packets(wire.at_device, p.Command)) == 1
    assert wire.host.counts.tx_repeats == 2


def test_a_busy_device_gets_the_last_chunk_again_and_the_whole_message() -> None:
    answers = iter([Status.BUSY])
    wire = opened(max_frame=64, judge=lambda packet: next(answers, Status.OK))
    ticket = wire.host.send_surely(p.Command(1, "load", bytes(range(200))))
    wire.run(2)
    assert Settled(ticket, Status.OK) in wire.at_host
    (command,) = wire.packets(wire.at_device, p.Command)
    assert command.argument == bytes(range(200))


def test_what_the_device_does_not_know_is_settled_at_once() -> None:
    wire = opened(judge=lambda packet: Status.UNKNOWN)
    ticket = wire.host.send_surely(p.Config({9: 5}))
    wire.run(0.1)
    assert Settled(ticket, Status.UNKNOWN) in wire.at_host
    assert not wire.packets(wire.at_device, p.Config)


def test_tables_that_change_are_told_without_a_new_session() -> None:
    wire = opened()
    wire.device.introduce(wire.now_ns)
    wire.run(0.1)
    assert any(isinstance(one, Introduced) for one in wire.at_host)
    assert sum(isinstance(one, Opened) for one in wire.at_host) == 1


def host_with_session() -> tuple[Link, int]:
    wire = opened()
    return wire.host, wire.now_ns


def test_a_frame_that_comes_twice_is_told_once() -> None:
    host, now_ns = host_with_session()
    frame = encode_frame(Frame(Type.LOG, WHOLE, 500, payload_of(p.Log(1, 5, "once"))))
    sure = encode_frame(
        Frame(Type.RESPONSE, WHOLE | Flags.RELIABLE, 9, payload_of(p.Response(1, 0)))
    )
    found = list(host.feed(frame + frame + sure + sure, now_ns))
    assert [type(one.packet) for one in found if isinstance(one, Arrived)] == [p.Log, p.Response]
    assert host.counts.rx_repeats == 2
    assert host.take().count(b"\0") == 2  # both reliable ones are acknowledged


def test_a_reliable_frame_of_an_unknown_type_is_answered_and_dropped() -> None:
    host, now_ns = host_with_session()
    host.take()
    assert not list(host.feed(encode_frame(Frame(77, WHOLE | Flags.RELIABLE, 3, b"\0")), now_ns))
    ack = Frame(Type.ACK, WHOLE, 3, bytes([Status.UNKNOWN]))
    assert host.take() == encode_frame(ack)


def test_an_own_echo_opens_nothing() -> None:
    host = Link("host", nonce=7)
    list(host.tick(START_NS))
    list(host.feed(host.take(), START_NS))
    assert host.peer is None
    assert host.counts.rx_dropped == 1


def test_a_device_that_greets_without_end_is_noticed() -> None:
    host = Link("host", nonce=7)
    for number in range(200):
        session = p.Session(nonce=number + 1)
        frame = Frame(Type.HELLO, WHOLE, number, payload_of(p.Hello(session, TABLES)))
        list(host.feed(encode_frame(frame), START_NS + number * MS))
    assert host.is_flooded


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 77, 200]),
            st.integers(0, 7),
            st.integers(0, 70) | st.integers(0, 65535),
            st.binary(min_size=1, max_size=499),
            st.booleans(),
        ),
        max_size=60,
    )
)
def test_a_hostile_device_makes_it_neither_fall_nor_grow(
    told: list[tuple[int, int, int, bytes, bool]],
) -> None:
    host, now_ns = host_with_session()
    for kind, flags, seq, payload, is_greeting in told:
        if is_greeting and kind == Type.HELLO:
            payload = payload_of(p.Hello(p.Session(nonce=seq + 1, heard=7, is_open=True), TABLES))
            flags = int(WHOLE)
            payload = payload[:499]
        now_ns += 7 * MS
        list(host.feed(encode_frame(Frame(kind, Flags(flags), seq, payload)), now_ns))
        list(host.tick(now_ns))
        assert len(host.take()) < 3000
    assert host._once.held + host._surely.held <= 2 * p.LONGEST_MESSAGE


def test_chunks_beyond_the_longest_message_are_refused_and_forgotten() -> None:
    host, now_ns = host_with_session()
    host.take()
    for number in range(40):
        flags = Flags.RELIABLE | (Flags.FIRST if number == 0 else Flags(0))
        frame = Frame(Type.RESPONSE, flags, number, bytes(499))
        list(host.feed(encode_frame(frame), now_ns))
        assert host._surely.held <= p.LONGEST_MESSAGE
    refusal = Frame(Type.ACK, WHOLE, 32, bytes([Status.TOO_LONG]))
    assert encode_frame(refusal) in host.take()
