"""The twin applies what is allowed, keeps it over restarts, and says what it refused."""

import json
import queue
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgekit.errors import EdgekitError
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import (
    Reported,
    Status,
    TwinPipeline,
    TwinSettings,
    Versions,
    decode_reported,
    encode,
)
from edgekit.messaging.topics import Topics
from edgekit.messaging.twin import Twin
from edgekit.messaging.wire import MemoryWire
from edgekit.messaging.wishes import judge
from tests.broker import BOARD, PASSWORD, PATIENCE_S, listening, need_broker, settings_for
from tools.private_broker import PrivateBroker

TOPICS = Topics("lab", "zero")
ALL = frozenset({"max_hz", "threshold", "metrics_interval_s", "pictures_keep"})
PIPELINES = ("door", "pump.2")


class _Wire(MemoryWire):
    def __init__(self) -> None:
        super().__init__()
        self.news: queue.Queue[Reported] = queue.Queue()

    def publish(self, topic: str, payload: bytes, **more: Any) -> bool:
        assert topic == TOPICS.twin_reported
        assert more["retain"]
        self.news.put(decode_reported(payload))
        return super().publish(topic, payload, **more)

    def wish(self, version: int, **wished: Any) -> None:
        self.raw(json.dumps({"v": 1, "version": version, "settings": wished}).encode())

    def raw(self, payload: bytes) -> None:
        self.deliver(Received(TOPICS.twin_desired, payload, True))

    def next(self) -> Reported:
        return self.news.get(timeout=PATIENCE_S)


class _Board:
    """Takes settings as a daemon would."""

    def __init__(self, refused: Mapping[str, str] | None = None) -> None:
        self.applied: list[TwinSettings] = []
        self.refused = dict(refused or {})
        self.error: Exception | None = None

    def apply(self, wished: TwinSettings) -> Mapping[str, str]:
        if self.error is not None:
            raise self.error
        self.applied.append(wished)
        return self.refused


def _twin(wire: MemoryWire, board: _Board, state: Path | None, **changes: Any) -> Twin:
    options: dict[str, Any] = {"boot": "b", "allow": ALL, "pipelines": PIPELINES, "state": state}
    return Twin(wire, TOPICS, board.apply, **(options | changes))


def test_a_newer_wish_is_applied_and_reported_and_an_older_one_is_not(tmp_path: Path) -> None:
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path):
        wire.wish(7, metrics_interval_s=30, pipelines={"door": {"max_hz": 2}})
        due = TwinSettings(metrics_interval_s=30, pipelines={"door": TwinPipeline(max_hz=2)})
        assert wire.next() == Reported(boot="b", version=7, settings=due)
        wire.wish(6, metrics_interval_s=5)
        wire.wish(7, metrics_interval_s=5)
        wire.wish(8, pipelines={"pump.2": {"threshold": 1.5}})
        assert wire.next().version == 8
    assert board.applied == [due, TwinSettings(pipelines={"pump.2": TwinPipeline(threshold=1.5)})]


def test_what_is_in_force_outlives_the_program_and_is_reported_at_every_connect(
    tmp_path: Path,
) -> None:
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path):
        wire.wish(7, metrics_interval_s=30, pictures_keep="events")
        first = wire.next()
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path) as twin:
        assert board.applied == [first.settings] == [twin.settings]
        wire.connect()
        wire.connect()
        assert wire.next() == wire.next() == first
        wire.wish(7, metrics_interval_s=99)
        wire.wish(8)
        assert wire.next() == Reported(boot="b", version=8, settings=TwinSettings())


def test_what_is_no_longer_allowed_is_dropped_at_the_next_start(tmp_path: Path) -> None:
    wire = _Wire()
    with _twin(wire, _Board(), tmp_path):
        wire.wish(7, metrics_interval_s=30, pictures_keep="events")
        wire.next()
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path, allow={"metrics_interval_s"}):
        wire.connect()
        reported = wire.next()
    assert board.applied == [TwinSettings(metrics_interval_s=30)]
    assert reported.version == 7
    assert "[twin] allow does not name" in reported.refused["pictures_keep"]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"\xff\xff", b'{"version":"7","settings":{}}', b"[" * 100_000, b"null"]
)
def test_a_damaged_state_file_is_passed_over_and_replaced(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "twin.json").write_bytes(damage)
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path):
        assert board.applied == []
        assert "passed over" in caplog.text
        wire.wish(1, metrics_interval_s=30)
        wire.next()
    board = _Board()
    with _twin(_Wire(), board, tmp_path):
        assert board.applied == [TwinSettings(metrics_interval_s=30)]


def test_a_state_directory_that_cannot_be_written_costs_only_the_keeping(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wire, board = _Wire(), _Board()
    with _twin(wire, board, tmp_path / "none"):
        wire.wish(1, metrics_interval_s=30)
        assert wire.next().version == 1
    assert "cannot keep the settings" in caplog.text


def test_each_key_is_refused_by_itself_and_says_why() -> None:
    found = judge(
        {
            "metrics_interval_s": 0.1,
            "pictures_keep": "all",
            "max_hz": 3,
            "metrics_intervals": 3,
            "pipelines": {
                "door": {"max_hz": 2, "threshold": True, "bundle": "/etc"},
                "gate": {"max_hz": 2},
                "pump.2": 7,
            },
        },
        allow=ALL - {"threshold"},
        pipelines=PIPELINES,
    )
    assert found.settings == TwinSettings(pipelines={"door": TwinPipeline(max_hz=2)})
    said = found.refused
    assert ">= 1" in said["metrics_interval_s"]
    assert "Invalid enum value" in said["pictures_keep"]
    assert "unknown setting" in said["max_hz"]
    assert "did you mean metrics_interval_s?" in said["metrics_intervals"]
    assert "[twin] allow does not name threshold" in said["pipelines.door.threshold"]
    assert "unknown setting" in said["pipelines.door.bundle"]
    assert "no such pipeline" in said["pipelines.gate.max_hz"]
    assert "has to be an object" in said["pipelines.pump.2"]
    assert len(said) == 8


def test_nothing_is_allowed_unless_named() -> None:
    found = judge({"metrics_interval_s": 30}, allow=(), pipelines=PIPELINES)
    assert found.settings == TwinSettings()
    assert list(found.refused) == ["metrics_interval_s"]


def test_what_the_board_cannot_apply_is_not_reported_as_in_force(tmp_path: Path) -> None:
    wire, board = _Wire(), _Board({"pipelines.door.threshold": "its model is a classifier"})
    with _twin(wire, board, tmp_path):
        wire.wish(1, metrics_interval_s=30, pipelines={"door": {"threshold": 1, "max_hz": 2}})
        reported = wire.next()
        assert reported.settings.pipelines == {"door": TwinPipeline(max_hz=2)}
        assert reported.refused == board.refused


@pytest.mark.parametrize("error", [EdgekitError("no"), RuntimeError("a bug")])
def test_where_applying_fails_the_version_stays_and_the_next_wish_is_heard(
    error: Exception, tmp_path: Path
) -> None:
    wire, board = _Wire(), _Board()
    board.error = error
    with _twin(wire, board, tmp_path):
        wire.wish(3, metrics_interval_s=30)
        assert wire.next() == Reported(
            boot="b", version=0, settings=TwinSettings(), refused={"settings": str(error)}
        )
        board.error = None
        wire.wish(3, metrics_interval_s=30)
        assert wire.next().version == 3


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_wishes = st.dictionaries(
    st.sampled_from([*sorted(ALL), "pipelines", "", "pipelines.door.max_hz"]) | st.text(),
    _json
    | st.dictionaries(
        st.sampled_from(PIPELINES) | st.text(),
        _json | st.dictionaries(st.sampled_from(sorted(ALL)) | st.text(), _json),
    ),
)


@settings(max_examples=60, deadline=None)
@given(_wishes, st.sets(st.sampled_from(sorted(ALL))))
def test_any_wish_is_judged_and_its_judgement_can_be_sent(
    wish: dict[str, Any], allow: set[str]
) -> None:
    found = judge(wish, allow=allow, pipelines=PIPELINES)
    reported = Reported(boot="b", version=1, settings=found.settings, refused=dict(found.refused))
    again = decode_reported(encode(reported))
    assert (
        judge(
            json.loads(encode(reported)).get("settings", {}), allow=allow, pipelines=PIPELINES
        ).settings
        == again.settings
    )


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary() | _json.map(lambda value: json.dumps(value).encode()), max_size=10))
def test_whatever_comes_the_next_wish_is_heard(payloads: list[bytes]) -> None:
    wire, board = _Wire(), _Board()
    with _twin(wire, board, None):
        for payload in payloads:
            wire.raw(payload)
        wire.wish(1, metrics_interval_s=30)
        assert wire.next().version == 1


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker(users={BOARD: PASSWORD, "reader": PASSWORD}) as running:
        yield running


@pytest.mark.broker
def test_a_wish_that_the_broker_kept_reaches_a_board_that_comes_later(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    fleet = Client(CallbackAPIVersion.VERSION2)
    fleet.username_pw_set(BOARD, PASSWORD)
    fleet.connect(broker.host, broker.port)
    fleet.loop_start()
    wish = b'{"v":1,"version":5,"settings":{"metrics_interval_s":2}}'
    fleet.publish(TOPICS.twin_desired, wish, qos=1, retain=True).wait_for_publish(PATIENCE_S)
    fleet.disconnect()
    fleet.loop_stop()
    status = Status(
        state="online", boot="b", versions=Versions(edgekit="1", python="3", onnxruntime="1")
    )
    link = MqttLink(settings_for(broker), TOPICS, status)
    with (
        listening(broker, TOPICS.twin_reported) as listener,
        _twin(link, _Board(), tmp_path),
        link,
    ):
        while (reported := decode_reported(listener.next().payload)).version != 5:
            pass
    assert reported.settings == TwinSettings(metrics_interval_s=2)
    with listening(broker, TOPICS.twin_reported) as late:
        assert late.next().retained
