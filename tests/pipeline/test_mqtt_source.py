"""Sensor topics as rows: merged by a rule, nothing lost in silence, and no gap spanned."""

import json
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit import __version__
from edgekit.messaging.incoming import Handler, Received
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import Status, Versions
from edgekit.messaging.topics import Topics
from edgekit.pipeline.parts import Refusal, Sample
from edgekit.pipeline.sources.mqtt import MqttSource
from edgekit.pipeline.sources.mqtt_rows import (
    Arrival,
    ColumnTopic,
    MergedRows,
    MessageRows,
    WholeRows,
    document_of,
)
from tests.broker import PATIENCE_S, settings_for
from tools.private_broker import PrivateBroker

S = 1_000_000_000
PUMP = {"t": ColumnTopic("pump/t"), "v": ColumnTopic("pump/v", "data.v")}


def arrival(topic: str, payload: object, at_s: float = 0.0) -> Arrival:
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Arrival(topic, topic, encoded, round(at_s * S), round(at_s * 1000))


def values(item: Sample | Refusal | None) -> list[float] | str | None:
    if isinstance(item, Sample):
        return list(item.data)
    return None if item is None else item.reason


class ByHand:
    """A link whose messages a test hands out."""

    def __init__(self) -> None:
        self.handlers: dict[str, Handler] = {}
        self.greeters: list[Callable[[], None]] = []

    def subscribe(self, topic_filter: str, handler: Handler, *, qos: int = 1) -> None:
        self.handlers[topic_filter] = handler

    def unsubscribe(self, topic_filter: str, handler: Handler | None = None) -> None:
        assert self.handlers.pop(topic_filter) == handler

    def on_connect(self, handler: Callable[[], None]) -> None:
        self.greeters.append(handler)

    def off_connect(self, handler: Callable[[], None]) -> None:
        self.greeters.remove(handler)

    def say(self, topic: str, payload: object, *, retain: bool = False) -> None:
        encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.handlers[topic](Received(topic, encoded, retain))

    def connect(self) -> None:
        for greeter in self.greeters:
            greeter()


def whole(topic: str = "pump/t") -> WholeRows:
    return WholeRows(topic, (None,))


def test_a_message_with_fields_is_a_row_with_the_time_it_says() -> None:
    rows = WholeRows("pump/#", ("data.v", "t"), time_field="at")
    item = rows.push(arrival("pump/1", {"at": 1700000000, "t": 2, "data": {"v": "3.5"}}, at_s=7))
    assert isinstance(item, Sample)
    assert values(item) == [3.5, 2]
    assert (item.taken_at_ns, item.taken_at_ms) == (7 * S, 1_700_000_000_000)
    assert item.origin == "pump/1:1"


@pytest.mark.parametrize("payload", [b"21.5", b" 21.5\n", b'"21.5"', b"+21.5"])
def test_a_payload_that_is_just_a_number_is_a_row(payload: bytes) -> None:
    assert values(whole().push(arrival("pump/t", payload))) == [21.5]


@pytest.mark.parametrize("payload", [b"", b"on", b"NaN", b"1e999", b"[1]", b"{}", b"\xff\x00"])
def test_a_payload_that_is_no_number_is_refused(payload: bytes) -> None:
    found = values(whole().push(arrival("pump/t", payload)))
    assert isinstance(found, str)
    assert found.startswith("pump/t:1: field 'payload' is ")


def test_a_row_comes_once_every_column_is_new() -> None:
    rows = MergedRows(PUMP)
    assert rows.push(arrival("pump/t", 1, 0)) is None
    assert rows.push(arrival("pump/t", 2, 1)) is None
    item = rows.push(arrival("pump/v", {"data": {"v": 3}}, 2))
    assert isinstance(item, Sample)
    assert (values(item), item.taken_at_ns, item.taken_at_ms) == ([2, 3], 2 * S, 2000)
    assert rows.push(arrival("pump/v", {"data": {"v": 4}}, 3)) is None
    assert values(rows.push(arrival("pump/t", 5, 4))) == [5, 4]


def test_one_message_may_fill_several_columns() -> None:
    rows = MergedRows({name: ColumnTopic("pump", name) for name in ("b", "a")})
    assert values(rows.push(arrival("pump", {"a": 1, "b": 2}))) == [2, 1]


def test_a_row_has_the_time_of_its_newest_reading() -> None:
    rows = MergedRows({"a": ColumnTopic("x", "v"), "b": ColumnTopic("y", "v")}, time_field="at")
    rows.push(arrival("x", {"v": 1, "at": 2000}, 5))
    item = rows.push(arrival("y", {"v": 2, "at": "1970-01-01T00:10:00Z"}, 6))
    assert isinstance(item, Sample)
    assert item.taken_at_ms == 2_000_000


def test_values_too_far_apart_never_meet_and_that_is_told_once() -> None:
    rows = MergedRows(PUMP, max_age_s=5)
    rows.push(arrival("pump/t", 1, 0))
    late = values(rows.push(arrival("pump/v", {"data": {"v": 2}}, 6)))
    assert late == "pump/t: column 't' is 6 s old, where max_age_s is 5"
    assert rows.push(arrival("pump/v", {"data": {"v": 3}}, 7)) is None
    assert values(rows.push(arrival("pump/t", 4, 8))) == [4, 3]


def test_a_bad_value_is_refused_and_its_column_waits_for_the_next() -> None:
    rows = MergedRows(PUMP)
    rows.push(arrival("pump/t", 1))
    assert "field 'data.v' is 'x'" in str(
        values(rows.push(arrival("pump/v", {"data": {"v": "x"}})))
    )
    assert "has no field" in str(values(rows.push(arrival("pump/v", 3))))
    assert values(rows.push(arrival("pump/v", {"data": {"v": 2}}))) == [1, 2]


def test_with_an_interval_a_value_is_used_again_until_it_is_too_old() -> None:
    rows = MergedRows(PUMP, interval_s=1, max_age_s=3)
    assert rows.tick(0, 0) is None
    rows.push(arrival("pump/t", 1, 0))
    assert rows.tick(1 * S, 1000) is None
    rows.push(arrival("pump/v", {"data": {"v": 2}}, 1.5))
    for second in (2, 3):
        item = rows.tick(second * S, second * 1000)
        assert isinstance(item, Sample)
        assert (values(item), item.taken_at_ms) == ([1, 2], second * 1000)
    assert "'t' is 4 s old" in str(values(rows.tick(4 * S, 4000)))
    assert rows.tick(5 * S, 5000) is None
    rows.push(arrival("pump/t", 6, 5.5))
    assert "'v' is 5 s old" in str(values(rows.tick(6 * S, 6000))) or rows.tick(6 * S, 0) is None
    rows.push(arrival("pump/v", {"data": {"v": 7}}, 6.5))
    assert values(rows.tick(7 * S, 7000)) == [6, 7]


def test_after_a_gap_no_row_is_made_of_values_from_both_sides() -> None:
    rows = MergedRows(PUMP)
    rows.push(arrival("pump/t", 1))
    rows.reset()
    assert rows.push(arrival("pump/v", {"data": {"v": 2}})) is None
    assert values(rows.push(arrival("pump/t", 3))) == [3, 2]


def test_what_finds_no_room_is_counted_and_told_even_where_nothing_follows() -> None:
    link = ByHand()
    with MqttSource(link, whole(), capacity=3) as source:
        items = source.items()
        for number in range(5):
            link.say("pump/t", number)
        assert [values(next(items)) for _ in range(3)] == [[0], [1], [2]]
        assert "lost 2 messages: 3 were waiting" in str(values(next(items)))
        link.say("pump/t", 6)
        assert values(next(items)) == [6]


def test_a_gap_stands_before_what_comes_after_it() -> None:
    link = ByHand()
    with MqttSource(link, whole(), capacity=3) as source:
        items = source.items()
        for number in range(4):
            link.say("pump/t", number)
        assert [values(next(items)) for _ in range(2)] == [[0], [1]]
        link.say("pump/t", 4)
        found = [values(next(items)) for _ in range(3)]
        assert (found[0], found[2]) == ([2], [4])
        assert "lost 1 messages" in str(found[1])


def test_a_connection_that_was_lost_is_a_gap_once_something_was_heard() -> None:
    link = ByHand()
    with MqttSource(link, MergedRows(PUMP)) as source:
        items = source.items()
        link.connect()
        link.say("pump/t", 1)
        link.connect()
        link.connect()
        link.say("pump/v", {"data": {"v": 2}})
        link.say("pump/t", 3)
        assert "out of reach" in str(values(next(items)))
        assert values(next(items)) == [3, 2]


def test_retained_messages_are_passed_over_unless_asked_for() -> None:
    for takes in (False, True):
        link = ByHand()
        with MqttSource(link, whole(), takes_retained=takes) as source:
            link.say("pump/t", 1, retain=True)
            link.say("pump/t", 2)
            assert values(next(source.items())) == ([1] if takes else [2])


def test_a_payload_that_is_too_large_is_refused_and_not_kept() -> None:
    link = ByHand()
    with MqttSource(link, whole()) as source:
        link.say("pump/t", b"1" * 100_000)
        link.say("pump/t", 2)
        items = source.items()
        assert "a payload of 100000 bytes" in str(values(next(items)))
        assert values(next(items)) == [2]


def test_entered_again_it_listens_again_and_says_that_it_did_not_meanwhile() -> None:
    link = ByHand()
    source = MqttSource(link, whole())
    with source:
        link.say("pump/t", 1)
        assert values(next(source.items())) == [1]
    assert link.handlers == {}
    with source:
        link.say("pump/t", 2)
        items = source.items()
        assert "not listened" in str(values(next(items)))
        assert values(next(items)) == [2]
    assert link.greeters == []


def test_stop_ends_it_while_nothing_comes() -> None:
    with MqttSource(ByHand(), whole()) as source:
        thread = threading.Thread(target=lambda: list(source.items()), daemon=True)
        thread.start()
        source.stop()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_rows_of_an_interval_hold_what_had_come_by_then_even_when_they_are_late() -> None:
    now = [0]
    began = iter([0])  # what the first look at the clock by `items` finds: ticks at 1, 2, ... s
    link = ByHand()
    rows = MergedRows({"t": ColumnTopic("pump/t")}, interval_s=1)
    clock: list[Callable[[], int]] = [lambda: now[0]]
    source = MqttSource(link, rows, clock_ns=lambda: clock[0](), time_ns=lambda: 10**18 + now[0])
    with source:
        for tenth in (5, 15, 16, 35):
            now[0] = tenth * S // 10
            link.say("pump/t", tenth)
        now[0] = 9 * S // 2
        clock[0] = lambda: next(began, now[0])
        items = source.items()
        found = [next(items) for _ in range(4)]
    assert [values(item) for item in found] == [[5], [16], [16], [35]]
    assert [item.taken_at_ns for item in found if isinstance(item, Sample)] == [
        S,
        2 * S,
        3 * S,
        4 * S,
    ]
    assert [item.taken_at_ms - 10**12 for item in found if isinstance(item, Sample)] == [
        1000,
        2000,
        3000,
        4000,
    ]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["say", "take"]), max_size=40), st.integers(1, 6))
def test_every_message_becomes_a_row_in_order_or_is_told_as_lost(
    steps: list[str], capacity: int
) -> None:
    link = ByHand()
    with MqttSource(link, whole(), capacity=capacity) as source:
        items = source.items()
        said = lost = 0
        got: list[int] = []
        waiting = 0

        def pull() -> None:
            nonlocal lost
            item = next(items)
            if isinstance(item, Sample):
                got.append(int(item.data[0]))
            else:
                lost += int(item.reason.split("lost ")[1].split()[0])
                got.append(-1)

        for step in steps:
            if step == "take":
                if waiting:
                    pull()
                    waiting -= 1
            else:
                link.say("pump/t", said)
                said += 1
                waiting = min(capacity, waiting + 1)
        while len([n for n in got if n >= 0]) + lost < said:
            pull()
    rows = [n for n in got if n >= 0]
    assert rows == sorted(rows)
    for before, after in pairwise(got):
        assert after == -1 or before == -1 or after == before + 1


_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["v", "at", "x"]), inner)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200)
@given(
    st.text(max_size=8),
    st.binary(max_size=60) | _json.map(lambda document: json.dumps(document).encode()),
    st.sampled_from([None, "v", "v.x", "0"]),
    st.sampled_from([None, "at"]),
)
def test_no_message_crashes_the_rules(
    topic: str, payload: bytes, field: str | None, time_field: str | None
) -> None:
    rules: list[MessageRows] = [
        WholeRows("#", (field,), time_field=time_field),
        MergedRows({"a": ColumnTopic("#", field)}, time_field=time_field),
        MergedRows({"a": ColumnTopic("#", field)}, interval_s=1.0),
    ]
    for rule in rules:
        for item in (rule.push(Arrival("#", topic, payload, 0, 0)), rule.tick(S, 1000)):
            if isinstance(item, Refusal):
                assert "\n" not in item.reason
            elif item is not None:
                assert np.isfinite(item.data).all()
    document_of(payload)


STATUS = Status(
    state="online",
    boot="b",
    versions=Versions(edgekit=__version__, python="3", onnxruntime="1"),
    pipelines=(),
)


@contextmanager
def linked(broker: PrivateBroker) -> Iterator[MqttLink]:
    with MqttLink(settings_for(broker), Topics("lab", "board"), STATUS) as link:
        assert link.wait_connected(PATIENCE_S)
        yield link


def collecting(source: MqttSource) -> tuple[threading.Thread, "queue.Queue[Sample | Refusal]"]:
    found: queue.Queue[Sample | Refusal] = queue.Queue()

    def collect() -> None:
        for item in source.items():
            found.put(item)

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    return thread, found


def publish_until_heard(
    link: MqttLink, topic: str, found: "queue.Queue[Sample | Refusal]"
) -> list[float] | str | None:
    """Publishes until the subscription stands; gives what was heard first."""
    for _ in range(round(PATIENCE_S / 0.05)):
        link.publish(topic, b"-1")
        try:
            return values(found.get(timeout=0.05))
        except queue.Empty:
            continue
    pytest.fail(f"heard nothing in {PATIENCE_S} s")


@pytest.mark.broker
def test_what_a_broker_delivers_becomes_rows_in_order(broker: PrivateBroker) -> None:
    with linked(broker) as link:
        link.publish("edgekit/pump/t", b"77", retain=True)
        assert link.wait_until_acknowledged(PATIENCE_S)
        with MqttSource(link, WholeRows("edgekit/pump/+", (None,)), capacity=5000) as source:
            thread, found = collecting(source)
            assert publish_until_heard(link, "edgekit/pump/t", found) == [-1]
            for number in range(500):
                assert link.publish("edgekit/pump/v", b"%d" % number)
            got = [-1.0]
            while got[-1] != 499:
                item = found.get(timeout=PATIENCE_S)
                assert isinstance(item, Sample)
                got.append(float(item.data[0]))
            source.stop()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert [n for n in got if n >= 0] == list(range(500))


@pytest.mark.broker
def test_a_broker_that_goes_and_comes_is_a_gap(broker: PrivateBroker) -> None:
    with linked(broker) as link, MqttSource(link, WholeRows("edgekit/t", (None,))) as source:
        _, found = collecting(source)
        assert publish_until_heard(link, "edgekit/t", found) == [-1]
        broker.stop()
        broker.start()
        heard = publish_until_heard(link, "edgekit/t", found)
        while heard == [-1]:
            heard = values(found.get(timeout=PATIENCE_S))
        assert "out of reach" in str(heard)
        assert publish_until_heard(link, "edgekit/t", found) == [-1]
