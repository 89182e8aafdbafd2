"""Commands are followed only where allowed, signed, fresh and new, and each is answered once."""

import json
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edgekit.errors import ConfigError, InputError, Unavailable
from edgekit.messaging.authority import Authority, CommandSettings, Refused, read_key, sign
from edgekit.messaging.commands import Commands, Result
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import (
    Answer,
    Command,
    SetRate,
    Snapshot,
    Status,
    Versions,
    decode_answer,
    decode_command,
)
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import MemoryWire
from tests.broker import PATIENCE_S, need_broker
from tools.private_broker import PrivateBroker

TOPICS = Topics("lab", "zero")
KEY = b"0123456789abcdef"
NOW = 1_700_000_000_000
ALL = frozenset({"snapshot", "reload", "set-rate", "collect"})


class _Answers(MemoryWire):
    """A wire that says when something was published."""

    def __init__(self) -> None:
        super().__init__()
        self.news: queue.Queue[tuple[str, Answer, bytes | None]] = queue.Queue()

    def publish(self, topic: str, payload: bytes, **more: Any) -> bool:
        super().publish(topic, payload, **more)
        self.news.put((topic, decode_answer(payload), more.get("correlation_data")))
        return True

    def next(self) -> tuple[str, Answer, bytes | None]:
        return self.news.get(timeout=PATIENCE_S)


def _ask(verb: str, *, retain: bool = False, respond: str | None = None, **fields: Any) -> Received:
    payload = json.dumps({"v": 1, **fields}).encode()
    return Received(TOPICS.command(verb), payload, retain, respond, b"corr" if respond else None)


def _commands(
    wire: MemoryWire, handlers: Mapping[str, Callable[[Any], Result]], **changes: Any
) -> Commands:
    allowed = CommandSettings(**({"allow": ALL} | changes))
    return Commands(wire, TOPICS, allowed, handlers, boot="b", now_ms=lambda: NOW)


def test_nothing_is_followed_unless_it_is_allowed() -> None:
    wire, followed = _Answers(), list[object]()

    def follow(arguments: object) -> Result:
        followed.append(arguments)
        return Result("done")

    with _commands(wire, {"reload": follow, "snapshot": follow}, allow=frozenset({"snapshot"})):
        wire.deliver(_ask("reload", id="1"))
        topic, answer, _ = wire.next()
        assert (topic, answer.code) == ("edgekit/v1/lab/zero/res/reload/1", "not-allowed")
        wire.deliver(_ask("snapshot", id="2", arguments={"pipeline": "door"}))
        assert wire.next()[1] == Answer(verb="snapshot", boot="b", code="ok", said="done", id="2")
    assert followed == [Snapshot(pipeline="door")]
    assert CommandSettings().allow == frozenset()


def test_a_response_topic_is_used_below_an_allowed_prefix_and_nowhere_else() -> None:
    wire, followed = _Answers(), list[object]()

    def follow(arguments: object) -> Result:
        followed.append(arguments)
        return Result("done", {"n": 1}, b"\xff\xd8")

    with _commands(wire, {"reload": follow}, answer_prefix="replies/"):
        for topic in ("replies/me", "edgekit/v1/lab/zero/res/mine"):
            wire.deliver(_ask("reload", respond=topic))
            where, answer, correlation = wire.next()
            assert (where, correlation) == (topic, b"corr")
            assert answer.result == {"n": 1, "jpeg": "/9g="}
        assert len(followed) == 2
        for elsewhere in (
            "edgekit/v1/lab/other/cmd/reload",
            "edgekit/v1/lab/zero/status",
            "replies/",
            "replies/+",
            "replies/#",
            "other",
            "",
        ):
            wire.deliver(_ask("reload", respond=elsewhere, id="x"))
            where, answer, _ = wire.next()
            assert (where, answer.code) == ("edgekit/v1/lab/zero/res/reload/x", "not-allowed")
            wire.deliver(_ask("reload", respond=elsewhere))  # told nobody
    assert len(followed) == 2
    assert wire.news.empty()


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        ("set-rate", {}, "max_hz"),
        ("set-rate", {"max_hz": 0}, "max_hz"),
        ("set-rate", {"max_hz": 1, "hertz": 2}, "hertz"),
        ("collect", {"samples": 10**6}, "samples"),
        ("reload", {"now": True}, "now"),
        ("snapshot", [], "array"),
        ("snapshot", {"pipeline": ""}, "pipeline"),
    ],
)
def test_arguments_that_cannot_be_are_answered_with_why(
    verb: str, arguments: object, said: str
) -> None:
    wire = _Answers()
    with _commands(wire, {verb: lambda _: Result("done")}):
        wire.deliver(_ask(verb, id="1", arguments=arguments))
        _, answer, _ = wire.next()
    assert answer.code == "bad-arguments"
    assert said in answer.said


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no pipeline door"), "bad-arguments"),
        (Unavailable("no picture yet"), "unavailable"),
        (ConfigError("edgekit.toml", ["a: is wrong", "b: too"]), "failed"),
        (RuntimeError("oh"), "failed"),
    ],
)
def test_what_a_handler_raises_is_answered_in_one_line(error: Exception, code: str) -> None:
    def fail(_: object) -> Result:
        raise error

    wire = _Answers()
    with _commands(wire, {"reload": fail}):
        wire.deliver(_ask("reload", id="1"))
        _, answer, _ = wire.next()
    assert answer.code == code
    assert str(error).splitlines()[0] in answer.said
    assert "\n" not in answer.said


def test_handlers_run_on_a_thread_of_their_own_and_the_line_is_bounded() -> None:
    wire, began, go_on = _Answers(), threading.Event(), threading.Event()
    threads = []

    def follow(_: object) -> Result:
        threads.append(threading.current_thread())
        began.set()
        assert go_on.wait(PATIENCE_S)
        return Result("done")

    with _commands(wire, {"reload": follow}, max_queued=2):
        wire.deliver(_ask("reload", id="1"))
        assert began.wait(PATIENCE_S)
        for number in (2, 3, 4):
            wire.deliver(_ask("reload", id=str(number)))  # returns at once
        _, refused, _ = wire.next()
        assert (refused.id, refused.code) == ("4", "too-many")
        go_on.set()
        assert [wire.next()[1].id for _ in range(3)] == ["1", "2", "3"]
    assert threading.current_thread() not in threads


def test_a_retained_command_is_passed_over() -> None:
    wire = _Answers()
    with _commands(wire, {"reload": lambda _: Result("done")}):
        wire.deliver(_ask("reload", id="1", retain=True))
        wire.deliver(_ask("reload", id="2"))
        assert wire.next()[1].id == "2"
    assert wire.news.empty()


def test_refusals_are_not_said_without_end() -> None:
    wire = _Answers()
    with _commands(wire, {"reload": lambda _: Result("done")}, allow=frozenset({"reload"})):
        for number in range(60):
            wire.deliver(_ask("collect", id=str(number)))
            assert wire.next()[1].id == str(number)
        for number in range(60, 65):
            wire.deliver(_ask("collect", id=str(number)))
        wire.deliver(_ask("reload", id="last"))
        assert wire.next()[1].id == "last"
    assert wire.news.empty()


# The authority, by itself.


def _signed(verb: str = "reload", *, key: bytes = KEY, **changes: Any) -> Command:
    fields = {"id": "a1", "issued": NOW, "arguments": {"pipeline": "door"}} | changes
    arguments = json.dumps(fields["arguments"]).encode()
    mac = sign(
        key,
        TOPICS.command(verb),
        command_id=fields["id"],
        issued=fields["issued"],
        arguments=arguments,
    )
    return decode_command(json.dumps({"v": 1, "mac": mac, **fields}).encode())


class _Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def now_ms(self) -> int:
        return NOW + round((self.s - 1000) * 1000)


def _authority(clock: _Clock, *, up_s: float = 1000, **changes: Any) -> Authority:
    clock.s -= up_s
    allowed = CommandSettings(**({"allow": ALL, "key": KEY} | changes))
    authority = Authority(allowed, TOPICS, now_ms=clock.now_ms, clock_s=lambda: clock.s)
    clock.s += up_s
    return authority


def _code(authority: Authority, verb: str, command: Command) -> str:
    try:
        authority.check(verb, command)
    except Refused as refusal:
        return refusal.code
    return "ok"


def test_a_signed_command_is_let_through_once() -> None:
    authority = _authority(_Clock())
    assert _code(authority, "reload", _signed()) == "ok"
    assert _code(authority, "reload", _signed()) == "replayed"
    assert _code(authority, "reload", _signed(id="a2")) == "ok"


def test_a_signature_is_over_topic_id_time_and_arguments() -> None:
    authority = _authority(_Clock())
    good = _signed()
    other: dict[str, Any] = {
        "id": "a2",
        "issued": NOW + 1,
        "arguments": b'{"pipeline": "pump"}',
        "mac": "0" * 64,
    }
    for key, value in other.items():
        fields = {name: getattr(good, name) for name in good.__struct_fields__}
        raw = type(good.arguments)(value) if key == "arguments" else value
        assert _code(authority, "reload", Command(**(fields | {key: raw}))) == "bad-signature"
    assert _code(authority, "snapshot", good) == "bad-signature"  # another topic
    assert _code(authority, "reload", _signed(key=b"another key of 16")) == "bad-signature"
    assert _code(authority, "reload", Command(id="a1")) == "bad-signature"
    assert _code(authority, "reload", good) == "ok"  # the bad ones used nothing up


def test_the_signature_is_the_one_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs" / "surroundings.md").read_text()
    mac = sign(
        b"correct horse battery staple",
        "edgekit/v1/lab/zero/cmd/snapshot",
        command_id="8a90b2",
        issued=1767225606000,
        arguments=b'{"pipeline": "door"}',
    )
    assert mac in page  # which says how openssl makes it


def test_what_is_not_fresh_is_stale() -> None:
    clock = _Clock()
    authority = _authority(clock)
    assert _code(authority, "reload", _signed(id="1", issued=NOW - 61_000)) == "stale"
    assert _code(authority, "reload", _signed(id="2", issued=NOW + 61_000)) == "stale"
    assert _code(authority, "reload", _signed(id="3", issued=NOW - 59_000)) == "ok"
    early = _signed(id="4", issued=NOW + 59_000)
    assert _code(authority, "reload", early) == "ok"
    clock.s += 118  # by the clock it is as old as may be
    assert _code(authority, "reload", early) == "replayed"


def test_what_was_issued_before_the_start_could_be_a_replay_and_is_stale() -> None:
    assert _code(_authority(_Clock(), up_s=5), "reload", _signed(issued=NOW - 6000)) == "stale"
    assert _code(_authority(_Clock(), up_s=5), "reload", _signed(issued=NOW - 4000)) == "ok"


def test_each_verb_has_its_own_rate() -> None:
    clock = _Clock()
    authority = _authority(clock, key=None, per_minute=2)
    codes = [_code(authority, "reload", Command(id=str(number))) for number in range(3)]
    assert codes == ["ok", "ok", "too-many"]
    assert _code(authority, "snapshot", Command(id="s")) == "ok"
    clock.s += 60
    assert _code(authority, "reload", Command(id="later")) == "ok"


def test_an_id_used_twice_runs_once_even_where_nothing_is_signed() -> None:
    authority = _authority(_Clock(), key=None)
    assert _code(authority, "reload", Command(id="1")) == "ok"
    assert _code(authority, "reload", Command(id="1")) == "replayed"
    assert _code(authority, "reload", Command()) == "ok"
    assert _code(authority, "reload", Command()) == "ok"


def test_a_key_that_cannot_serve_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(ConfigError, match="shorter than 16 bytes; make it with"):
        read_key(tmp_path / "short")
    with pytest.raises(ConfigError, match="No such file"):
        read_key(tmp_path / "none")
    (tmp_path / "key").write_bytes(KEY + b"\n")
    assert read_key(tmp_path / "key") == KEY
    assert "0123" not in repr(CommandSettings(key=KEY))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_payloads = st.binary() | st.fixed_dictionaries(
    {"v": st.just(1)},
    optional={
        "id": st.text() | _json | st.just("a"),
        "arguments": _json,
        "issued": _json,
        "mac": st.text() | _json,
    },
).map(lambda value: json.dumps(value).encode())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*sorted(ALL), "dance", "x" * 300, "\U0001f600"]),
            _payloads,
            st.none() | st.text() | st.just("edgekit/v1/lab/zero/res/x"),
        ),
        max_size=10,
    ),
    st.booleans(),
)
def test_whatever_comes_is_answered_within_the_boards_own_topics_or_passed_over(
    asked: list[tuple[str, bytes, str | None]], signed: bool
) -> None:
    wire = _Answers()
    handlers = {verb: lambda _: Result("done") for verb in ALL}
    with _commands(wire, handlers, key=KEY if signed else None):
        for verb, payload, respond in asked:
            wire.deliver(Received(f"{TOPICS.prefix}cmd/{verb}", payload, False, respond, b"c"))
        wire.deliver(
            Received(f"{TOPICS.prefix}cmd/set-rate", b"{}", False, f"{TOPICS.prefix}res/end", None)
        )
        while (heard := wire.next())[0] != f"{TOPICS.prefix}res/end":
            assert heard[0].startswith(f"{TOPICS.prefix}res/")


# Over a real broker.


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker() as running:
        yield running


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_command_over_a_broker_is_answered_where_it_asked(
    broker: PrivateBroker, version: Any
) -> None:
    status = Status(
        state="online", boot="b", versions=Versions(edgekit="1", python="3", onnxruntime="1")
    )
    link_settings = MqttSettings(broker.host, broker.port, version=version)
    respond = f"{TOPICS.prefix}res/set-rate/mine"
    heard: queue.Queue[MQTTMessage] = queue.Queue()
    ready = threading.Event()
    protocol = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}[version]
    asker = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    asker.on_message = lambda _client, _data, message: heard.put(message)
    asker.on_subscribe = lambda *_: ready.set()
    asker.connect(broker.host, broker.port)
    asker.subscribe(f"{TOPICS.prefix}#", qos=1)
    asker.loop_start()
    seen: list[SetRate] = []

    def set_rate(arguments: SetRate) -> Result:
        seen.append(arguments)
        return Result("door now takes 2 a second")

    try:
        assert ready.wait(PATIENCE_S)
        link = MqttLink(link_settings, TOPICS, status)
        allowed = CommandSettings(allow=ALL)
        with Commands(link, TOPICS, allowed, {"set-rate": set_rate}, boot="b"), link:
            more = None
            if version == "5":
                more = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
                more.ResponseTopic, more.CorrelationData = respond, b"\x00\x01"
            payload = b'{"v":1,"id":"mine","arguments":{"pipeline":"door","max_hz":2}}'
            while (message := _next_of(heard, asker, payload, more)).topic != respond:
                pass
            answer = decode_answer(message.payload)
            assert (answer.code, answer.said) == ("ok", "door now takes 2 a second")
            if version == "5":
                assert message.properties is not None
                assert message.properties.CorrelationData == b"\x00\x01"
    finally:
        asker.disconnect()
        asker.loop_stop()
    assert seen == [SetRate(pipeline="door", max_hz=2)]


def _next_of(
    heard: "queue.Queue[MQTTMessage]", asker: Client, payload: bytes, more: Properties | None
) -> MQTTMessage:
    """The next message; asks once the board is there, which its status says."""
    message = heard.get(timeout=PATIENCE_S)
    if message.topic == TOPICS.status and not message.retain and b"online" in message.payload:
        asker.publish(TOPICS.command("set-rate"), payload, qos=1, properties=more)
    return message
