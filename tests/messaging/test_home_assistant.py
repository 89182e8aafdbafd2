"""Home Assistant is told what its documentation asks for, and its templates read our messages.

The validator is written from https://www.home-assistant.io/integrations/mqtt/ ("Discovery topic",
"Device discovery payload") and from the pages of the sensor, binary_sensor and event platforms.
"""

import json
import queue
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2.sandbox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgekit.messaging.discovery import Shown, discovery_payload, discovery_topic, removal
from edgekit.messaging.home_assistant import HomeAssistant, components_in
from edgekit.messaging.incoming import Received
from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import Infer, Status, TopClass, Versions, encode
from edgekit.messaging.topics import Topics
from edgekit.messaging.wire import MemoryWire
from tests.broker import BOARD, PASSWORD, PATIENCE_S, listening, need_broker, settings_for
from tests.messaging.test_payloads import _examples, _infer
from tools.private_broker import PrivateBroker

TOPICS = Topics("lab", "zero")
SHOWN = Shown(
    name="Zero",
    software="0.1.0",
    pipelines={"door": "classification", "pump": "anomaly", "level": "raw"},
    rules=["intruder"],
    area="Hall",
)
TOPIC = discovery_topic("homeassistant", TOPICS)

_ENTITY = {
    "platform": str,
    "unique_id": str,
    "name": str,
    "icon": str,
    "state_topic": str,
    "value_template": str,
    "availability": list,
    "entity_category": str,
    "device_class": str,
    "json_attributes_topic": str,
    "json_attributes_template": str,
}
_PLATFORMS: dict[str, dict[str, type]] = {
    "sensor": {
        "unit_of_measurement": str,
        "state_class": str,
        "suggested_display_precision": int,
    },
    "binary_sensor": {},
    "event": {"event_types": list},
}
_DEVICE = ("identifiers", "name", "manufacturer", "model", "sw_version", "suggested_area")


def _check(topic: str, payload: Any) -> None:
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/config", topic)
    assert set(payload) <= {"device", "origin", "components", "qos", "availability", "encoding"}
    assert payload["device"]["identifiers"]
    assert set(payload["device"]) <= set(_DEVICE)
    assert payload["origin"]["name"]
    assert set(payload["origin"]) <= {"name", "sw_version", "support_url"}
    seen = set()
    for key, component in payload["components"].items():
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", key)
        known = _ENTITY | _PLATFORMS[component["platform"]]
        for name, value in component.items():
            assert isinstance(value, known[name]), (key, name)
        assert component["state_topic"]
        assert component["unique_id"] not in seen
        seen.add(component["unique_id"])
        if "json_attributes_template" in component:
            assert component["json_attributes_topic"]
        for one in component.get("availability", []):
            assert set(one) <= {"topic", "value_template", "payload_available"}
        if component["platform"] == "event":
            assert component["event_types"]
        if component["platform"] == "sensor":
            assert component.get("entity_category", "diagnostic") == "diagnostic"
        if component["platform"] == "binary_sensor":
            assert component["device_class"] in ("problem", "connectivity")


def _rendered(template: str, payload: bytes, state: str = "before") -> str:
    """As Home Assistant does: its sandbox has these variables (its tojson is its own)."""
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment()
    return environment.from_string(template).render(
        value=payload.decode(), value_json=json.loads(payload), this=SimpleNamespace(state=state)
    )


def _component(start: str) -> dict[str, Any]:
    components = discovery_payload(TOPICS, SHOWN)["components"]
    return next(one for key, one in components.items() if re.match(start, key))


def _message(kind: str, has: str) -> bytes:
    return next(text for topic, text in _examples() if topic == kind and has in text).encode()


def test_the_payload_is_what_the_documentation_asks_for() -> None:
    payload = json.loads(json.dumps(discovery_payload(TOPICS, SHOWN)))
    _check(TOPIC, payload)
    platforms = [one["platform"] for one in payload["components"].values()]
    assert sorted(set(platforms)) == ["binary_sensor", "event", "sensor"]
    assert payload["device"]["suggested_area"] == "Hall"


_names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda name: name.isprintable() and not set(name) & set("/+#")
)


@settings(max_examples=50, deadline=None)
@given(
    _names,
    _names,
    st.dictionaries(_names, st.sampled_from(["classification", "anomaly", "raw"])),
    st.sets(_names),
)
def test_any_names_give_a_payload_that_can_be_taken(
    fleet: str, device: str, pipelines: dict[str, Any], rules: set[str]
) -> None:
    topics = Topics(fleet, device)
    shown = Shown(name=device, software="1", pipelines=pipelines, rules=sorted(rules))
    _check(discovery_topic("homeassistant", topics), discovery_payload(topics, shown))


def test_names_that_look_alike_once_cleaned_stay_apart() -> None:
    ids = {
        discovery_topic("homeassistant", topics)
        for topics in (Topics("a_b", "c"), Topics("a", "b_c"), Topics("a", "b.c"))
    }
    assert len(ids) == 3
    shown = Shown(name="x", software="1", pipelines={"a.b": "raw", "a_b": "raw"})
    assert len(discovery_payload(TOPICS, shown)["components"]) == 3 + 2


def test_a_class_is_shown_with_its_confidence_and_attributes() -> None:
    message = _message("infer", '"top"')
    assert _rendered(_component("pipeline_door.*_class")["value_template"], message) == "tabby"
    assert _rendered(_component("pipeline_door.*_conf")["value_template"], message) == "83.0"
    attributes = json.loads(
        _rendered(_component("pipeline_door.*_class")["json_attributes_template"], message)
    )
    assert attributes["top"][1] == {"id": 282, "label": "tiger cat", "p": 0.11}
    assert set(attributes) == {"top", "captured", "model"}


def test_no_class_is_unknown_and_a_long_one_is_cut() -> None:
    template = _component("pipeline_door.*_class")["value_template"]
    assert _rendered(template, encode(_infer(top=()))) == "None"
    long = encode(_infer(top=(TopClass(id=1, label="x" * 300, p=1.0),)))
    assert _rendered(template, long) == "x" * 255
    assert _rendered(_component("pipeline_door.*_conf")["value_template"], long) == "100.0"


def _anomaly(**changes: Any) -> Infer:
    return _infer(**({"score": 1.5, "threshold": 1.0, "anomalous": True} | changes))


def test_an_anomaly_is_a_problem_with_a_score() -> None:
    problem, score = _component("pipeline_pump.*_anomaly"), _component("pipeline_pump.*_score")
    assert _rendered(problem["value_template"], encode(_anomaly())) == "ON"
    assert _rendered(problem["value_template"], encode(_anomaly(anomalous=False))) == "OFF"
    assert _rendered(score["value_template"], encode(_anomaly())) == "1.5"
    assert json.loads(
        _rendered(problem["json_attributes_template"], _message("infer", '"score"'))
    ) == {
        "score": 1.74,
        "threshold": 1.0,
        "captured": 1767225601000,
        "model": {"name": "pump-autoencoder", "version": "0.3.1", "hash": "02f7be11c940"},
    }


def test_a_raw_value_is_shown_as_it_is() -> None:
    template = _component("pipeline_level")["value_template"]
    assert _rendered(template, _message("infer", '"values"')) == "0.25"
    assert _rendered(template, encode(_infer(values=()))) == "None"


def test_what_was_stored_and_sent_later_changes_no_state() -> None:
    late: dict[str, Infer] = {
        "pipeline_pump.*_anomaly": _anomaly(hist=True),
        "pipeline_pump.*_score": _anomaly(hist=True),
        "pipeline_level": _infer(values=(1.0,), hist=True),
        "pipeline_door.*_conf": _infer(top=(), hist=True),
    }
    for key, message in late.items():
        assert _rendered(_component(key)["value_template"], encode(message)) == ""
    label = _component("pipeline_door.*_class")["value_template"]
    assert _rendered(label, encode(_infer(top=(), hist=True)), state="tabby") == "tabby"
    fired = _message("event", '"hist"')
    assert _rendered(_component("rule_intruder")["value_template"], fired) == "{}"


def test_a_rule_that_fired_is_an_event() -> None:
    fired = json.loads(_message("event", '"facts"'))
    del fired["hist"]
    template = _component("rule_intruder")["value_template"]
    event = json.loads(_rendered(template, json.dumps(fired).encode()))
    assert event["event_type"] in _component("rule_intruder")["event_types"]
    assert event["facts"] == {"door.person": 0.91, "pump.anomalous": True}
    assert event["held_s"] == 5.0


def test_the_board_itself_is_shown_by_its_metrics_and_status() -> None:
    metrics = _message("metrics", '"board"')
    bare = b'{"v":1,"boot":"b","uptime_s":1,"pipelines":{},"mqtt":{}}'
    temperature = _component("temperature")["value_template"]
    assert _rendered(temperature, metrics) == "71.4"
    assert _rendered(temperature, bare) == "None"
    held_back = _component("held_back")
    assert _rendered(held_back["value_template"], metrics) == "ON"
    assert _rendered(held_back["value_template"], bare) == "OFF"
    assert json.loads(_rendered(held_back["json_attributes_template"], metrics)) == {
        "throttled": ["under-voltage", "soft-temperature-limit"],
        "rate_factor": 0.5,
    }
    assert json.loads(_rendered(held_back["json_attributes_template"], bare))["rate_factor"] == 1
    online, offline = _message("status", '"online"'), _message("status", '"offline"')
    connected = _component("connected")
    assert "availability" not in connected
    assert _rendered(connected["value_template"], online) == "ON"
    assert _rendered(connected["value_template"], offline) == "OFF"
    (available,) = _component("temperature")["availability"]
    assert available["topic"] == TOPICS.status
    assert _rendered(available["value_template"], online) == "online"  # payload_available's default
    assert _rendered(available["value_template"], offline) == "offline"


# What is sent, and when.


def _home(wire: MemoryWire, **changes: Any) -> HomeAssistant:
    return HomeAssistant(wire, TOPICS, SHOWN, **({"delay_s": lambda: 0.0} | changes))


def test_the_board_is_announced_at_every_connect() -> None:
    wire = MemoryWire()
    with _home(wire):
        wire.connect()
        wire.connect()
    assert [(sent.topic, sent.retain) for sent in wire.sent] == [(TOPIC, True)] * 2
    assert json.loads(wire.sent[0].payload) == discovery_payload(TOPICS, SHOWN)


def test_the_board_is_announced_again_when_home_assistant_starts() -> None:
    news: queue.Queue[bytes] = queue.Queue()

    class Wire(MemoryWire):
        def publish(self, topic: str, payload: bytes, **more: Any) -> bool:
            news.put(payload)
            return True

    wire = Wire()
    with _home(wire):
        wire.deliver(Received("homeassistant/status", b"offline"))
        wire.deliver(Received("homeassistant/status", b"online"))
        assert json.loads(news.get(timeout=PATIENCE_S)) == discovery_payload(TOPICS, SHOWN)
    assert news.empty()


def test_what_went_away_since_the_last_run_is_removed() -> None:
    before = discovery_payload(
        TOPICS, Shown(name="Zero", software="0", pipelines={"gate": "anomaly"}, rules=["old"])
    )
    wire = MemoryWire()
    with _home(wire):
        wire.connect()
        wire.deliver(Received(TOPIC, json.dumps(before).encode(), True))
    now = discovery_payload(TOPICS, SHOWN)
    _, leaving, last = (json.loads(sent.payload) for sent in wire.sent)
    gone = {key: one for key, one in leaving["components"].items() if key not in now["components"]}
    assert sorted(one.pop("platform") for one in gone.values()) == [
        "binary_sensor",
        "event",
        "sensor",
    ]
    assert all(one == {} for one in gone.values())  # the documented form of a removal
    assert last == now
    assert removal(now, components_in(json.dumps(now).encode())) is None


def test_where_it_is_turned_off_the_kept_payload_is_taken_away_and_nothing_else_is_said() -> None:
    wire = MemoryWire()
    with _home(wire, enabled=False):
        wire.connect()
        wire.deliver(Received("homeassistant/status", b"online"))
        assert wire.sent == []
        wire.deliver(Received(TOPIC, b"{}", True))
    assert [(sent.topic, sent.payload, sent.retain) for sent in wire.sent] == [(TOPIC, b"", True)]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(
    st.binary()
    | st.dictionaries(st.just("components"), _json | st.dictionaries(st.text(), _json)).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_whatever_the_broker_kept_the_board_is_announced(kept: bytes) -> None:
    wire = MemoryWire()
    with _home(wire):
        wire.deliver(Received(TOPIC, kept, True))
        wire.connect()
    assert json.loads(wire.sent[-1].payload) == discovery_payload(TOPICS, SHOWN)


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker(users={BOARD: PASSWORD, "reader": PASSWORD}) as running:
        yield running


@pytest.mark.broker
def test_over_a_broker_it_is_found_found_again_and_forgotten(broker: PrivateBroker) -> None:
    status = Status(
        state="online", boot="b", versions=Versions(edgekit="1", python="3", onnxruntime="1")
    )
    with listening(broker, "homeassistant/#") as listener:
        link = MqttLink(settings_for(broker), TOPICS, status)
        with _home(link), link:
            assert json.loads(listener.next().payload) == discovery_payload(TOPICS, SHOWN)
            home = Client(CallbackAPIVersion.VERSION2)
            home.username_pw_set(BOARD, PASSWORD)
            home.connect(broker.host, broker.port)
            home.loop_start()
            home.publish("homeassistant/status", b"online", qos=1).wait_for_publish(PATIENCE_S)
            home.disconnect()
            home.loop_stop()
            heard = [listener.next() for _ in range(2)]
            assert [one.topic for one in heard] == ["homeassistant/status", TOPIC]
        link = MqttLink(settings_for(broker), TOPICS, status)
        with _home(link, enabled=False), link:
            assert listener.next().payload == b""


def test_the_guide_names_where_the_facts_are_from() -> None:
    page = (Path(__file__).parents[2] / "docs" / "surroundings.md").read_text()
    assert "https://www.home-assistant.io/integrations/mqtt/" in page
