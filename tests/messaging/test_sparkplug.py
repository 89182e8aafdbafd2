"""A Sparkplug host that is not ours understands the node's whole life over a real broker.

The host's half is pysparkplug. It pins an older paho, of which its decoders make no use.
"""

import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.errors import ConfigError, InputError
from edgekit.messaging.payloads import TopClass, decode_metrics
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.sparkplug import SparkplugNode
from edgekit.messaging.sparkplug_payload import Metric, commands_in, encode_payload
from edgekit.messaging.sparkplug_session import SparkplugSession
from tests.broker import PATIENCE_S, need_broker
from tests.messaging.test_payloads import _examples, _infer
from tools.private_broker import PrivateBroker

pytest.importorskip("google.protobuf", reason="protobuf is not installed")
sparkplug = pytest.importorskip(
    "pysparkplug", reason="no independent Sparkplug: pip install --no-deps pysparkplug"
)

FULL = decode_metrics(next(text for kind, text in _examples() if kind == "metrics").encode())
PIPELINES: dict[str, Any] = {"door": "classification", "pump": "anomaly", "level": "raw"}
PREFIX = "spBv1.0/plant"


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker() as running:
        yield running


class _Host:
    """Someone else's Sparkplug host."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: queue.Queue[MQTTMessage] = queue.Queue()
        self.birth: Any = None

    def next(self) -> tuple[str, Any, MQTTMessage]:
        """The kind of the next message, decoded, and as it came."""
        message = self.heard.get(timeout=PATIENCE_S)
        kind = message.topic.split("/")[2]
        if kind == "NBIRTH":
            self.birth = sparkplug.NBirth.decode(message.payload)
            return kind, self.birth, message
        if kind == "NDATA":
            return kind, sparkplug.NData.decode(message.payload, birth=self.birth), message
        return kind, sparkplug.NDeath.decode(message.payload), message

    def ask_rebirth(self) -> None:
        rebirth = sparkplug.Metric(
            timestamp=1,
            name="Node Control/Rebirth",
            datatype=sparkplug.DataType.BOOLEAN,
            value=True,
        )
        command = sparkplug.NCmd(timestamp=1, metrics=(rebirth,))
        self.client.publish(f"{PREFIX}/NCMD/zero", command.encode(include_dtypes=True), qos=1)


@contextmanager
def _hosting(broker: PrivateBroker) -> Iterator[_Host]:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    host, ready = _Host(client), threading.Event()
    client.on_message = lambda _client, _data, message: host.heard.put(message)
    client.on_subscribe = lambda *_: ready.set()
    client.connect(broker.host, broker.port)
    for kind in ("NBIRTH", "NDATA", "NDEATH"):
        client.subscribe(f"{PREFIX}/{kind}/zero", qos=1)
    client.loop_start()
    try:
        assert ready.wait(PATIENCE_S)
        yield host
    finally:
        client.disconnect()
        client.loop_stop()


def _node(broker: PrivateBroker, **changes: Any) -> SparkplugNode:
    options: dict[str, Any] = {"group": "plant", "node": "zero", "pipelines": PIPELINES}
    version = changes.pop("version", "5")
    where = MqttSettings(broker.host, broker.port, version=version)
    return SparkplugNode(where, **(options | changes))


def _values(payload: Any) -> dict[str, Any]:
    return {metric.name: metric.value for metric in payload.metrics}


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_birth_data_rebirth_and_death_over_a_broker(broker: PrivateBroker, version: str) -> None:
    with _hosting(broker) as host:
        with _node(broker, version=version) as node:
            kind, birth, message = host.next()
            assert (kind, birth.seq, message.qos, message.retain) == ("NBIRTH", 0, 0, False)
            values = _values(birth)
            assert values["Node Control/Rebirth"] is False
            assert values["door/label"] is None
            assert {"pump/score", "level/value", "board/temperature_c"} <= set(values)
            bdseq = values["bdSeq"]

            node.predicted(_infer(top=(TopClass(id=1, label="tabby", p=0.75),)))
            kind, data, _ = host.next()
            assert (kind, data.seq) == ("NDATA", 1)
            assert _values(data) == {"door/label": "tabby", "door/confidence": 0.75}
            assert all(metric.timestamp == 1_700_000_000_000 for metric in data.metrics)

            node.measured(FULL)
            _, data, _ = host.next()
            assert data.seq == 2
            assert _values(data)["board/temperature_c"] == 71.4
            assert _values(data)["door/predictions"] == 2073597
            assert _values(data)["pump/state"] == "backing-off"

            host.ask_rebirth()
            kind, birth, _ = host.next()
            assert (kind, birth.seq) == ("NBIRTH", 0)
            assert _values(birth)["bdSeq"] == bdseq
            assert _values(birth)["door/label"] == "tabby"
        kind, death, message = host.next()
        assert (kind, death.bd_seq_metric.value, message.retain) == ("NDEATH", bdseq, False)


@pytest.mark.broker
def test_a_lost_connection_is_a_death_and_the_next_birth_has_the_next_bdseq(
    broker: PrivateBroker, tmp_path: Path
) -> None:
    with _hosting(broker) as host:
        with _node(broker, state=tmp_path, backoff=lambda: iter([0.0] * 100)):
            first = _values(host.next()[1])["bdSeq"]
            thief = Client(
                CallbackAPIVersion.VERSION2,
                "edgekit-plant-zero-sparkplug",
                protocol=MQTTProtocolVersion.MQTTv5,
            )
            thief.connect(broker.host, broker.port)  # the broker cuts the node off
            thief.loop_start()
            kind, death, _ = host.next()
            thief.disconnect()
            thief.loop_stop()
            assert (kind, death.bd_seq_metric.value) == ("NDEATH", first)
            kind, birth, _ = host.next()
            assert (kind, _values(birth)["bdSeq"]) == ("NBIRTH", first + 1)
        assert host.next()[0] == "NDEATH"
        with _node(broker, state=tmp_path):
            assert _values(host.next()[1])["bdSeq"] == first + 2  # it outlives the program


def test_seq_counts_to_255_and_begins_again() -> None:
    session = SparkplugSession(PIPELINES)
    birth = sparkplug.NBirth.decode(session.birth(at_ms=1))
    seen = []
    for number in range(300):
        session.predicted(_infer(pipeline="level", values=(float(number),)))
        seen.append(sparkplug.NData.decode(session.data(at_ms=1), birth=birth).seq)
    assert seen == [(number + 1) % 256 for number in range(300)]


def test_aliases_stand_for_names_and_the_rebirth_metric_has_none() -> None:
    session = SparkplugSession(PIPELINES)
    birth = sparkplug.NBirth.decode(session.birth(at_ms=1))
    aliases = [metric.alias for metric in birth.metrics if metric.alias is not None]
    assert len(aliases) == len(set(aliases)) == len(birth.metrics) - 2
    without = {metric.name for metric in birth.metrics if metric.alias is None}
    assert without == {"bdSeq", "Node Control/Rebirth"}
    session.predicted(_infer(pipeline="pump", score=2.0, threshold=1.0, anomalous=True))
    raw = session.data(at_ms=1)
    assert b"pump" not in raw
    assert _values(sparkplug.NData.decode(raw, birth=birth)) == {
        "pump/score": 2.0,
        "pump/threshold": 1.0,
        "pump/anomalous": True,
    }


def test_only_what_changed_is_news_and_late_messages_are_none() -> None:
    session = SparkplugSession(PIPELINES)
    session.birth(at_ms=1)
    message = _infer(pipeline="level", values=(1.5,))
    session.predicted(message)
    session.data(at_ms=1)
    session.predicted(message)
    session.predicted(_infer(pipeline="level", values=(9.0,), hist=True))
    session.predicted(_infer(pipeline="unknown", values=(9.0,)))
    assert not session.has_news


def test_a_death_has_no_seq_and_nothing_but_bdseq() -> None:
    death = sparkplug.NDeath.decode(SparkplugSession(PIPELINES).death(255, at_ms=1))
    assert death.bd_seq_metric.name == "bdSeq"
    assert death.bd_seq_metric.value == 255
    assert (
        sparkplug._protobuf.Payload.FromString(
            SparkplugSession(PIPELINES).death(0, at_ms=1)
        ).HasField("seq")
        is False
    )


def test_a_damaged_counter_begins_again(tmp_path: Path) -> None:
    for damage in (b"", b"\xff", b"many", b"9" * 5000):
        (tmp_path / "sparkplug-bdseq").write_bytes(damage)
        node = SparkplugNode(
            MqttSettings("127.0.0.1", 1), group="g", node="n", pipelines={}, state=tmp_path
        )
        assert 0 <= node._bdseq < 256
        node._bell.close()
        node._alarm.close()


_real = st.floats(allow_nan=False)
_metrics = st.one_of(
    st.tuples(st.just("Double"), _real),
    st.tuples(st.just("Boolean"), st.booleans()),
    st.tuples(st.just("String"), st.text(st.characters(exclude_categories=["Cs"]))),
    st.tuples(st.just("UInt64"), st.integers(0, 2**64 - 1)),
    st.tuples(st.sampled_from(["Double", "Boolean", "String", "Int64"]), st.none()),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(_metrics, max_size=5), st.integers(0, 2**62), st.integers(0, 255))
def test_what_is_encoded_is_what_someone_else_decodes(
    metrics: list[Any], at_ms: int, seq: int
) -> None:
    ours = [
        Metric(f"m{number}", number, type_, value, at_ms)
        for number, (type_, value) in enumerate(metrics)
    ]
    theirs = sparkplug.NBirth.decode(encode_payload(ours, at_ms=at_ms, seq=seq))
    assert (theirs.timestamp, theirs.seq) == (at_ms, seq)
    assert [(one.name, one.alias, one.value) for one in theirs.metrics] == [
        (one.name, one.alias, one.value) for one in ours
    ]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_command_is_read_or_refused(payload: bytes) -> None:
    try:
        assert all(isinstance(value, bool) for value in commands_in(payload).values())
    except InputError as error:
        assert "not a Sparkplug B payload" in str(error)


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    with pytest.raises(ConfigError, match=r"pip install 'edgekit\[sparkplug\]'"):
        SparkplugNode(MqttSettings("127.0.0.1", 1), group="g", node="n", pipelines={})
