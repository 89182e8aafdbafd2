"""Payloads round-trip, and whatever else arrives raises one error."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.messaging.payloads import (
    Answer,
    BoardMetrics,
    Command,
    DeployDesired,
    DeployStatus,
    Desired,
    FederatedReady,
    Fired,
    Infer,
    Message,
    Metrics,
    ModelName,
    OutboxMetrics,
    Reported,
    RolloutPlan,
    RolloutProgress,
    RolloutWish,
    Status,
    Timings,
    TopClass,
    Versions,
    decode_answer,
    decode_command,
    decode_deploy_desired,
    decode_deploy_status,
    decode_desired,
    decode_federated_ready,
    decode_fired,
    decode_infer,
    decode_metrics,
    decode_reported,
    decode_rollout_plan,
    decode_rollout_progress,
    decode_rollout_wish,
    decode_status,
    encode,
)

_PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
_DECODERS: dict[str, Callable[[bytes], Message]] = {
    "status": decode_status,
    "infer": decode_infer,
    "event": decode_fired,
    "metrics": decode_metrics,
    "twin/desired": decode_desired,
    "twin/reported": decode_reported,
    "cmd": decode_command,
    "res": decode_answer,
    "deploy/desired": decode_deploy_desired,
    "deploy/status": decode_deploy_status,
    "fl": decode_federated_ready,
    "plan": decode_rollout_plan,
    "wish": decode_rollout_wish,
    "progress": decode_rollout_progress,
}
_SCHEMAS: dict[str, type[Message]] = {
    "status": Status,
    "infer": Infer,
    "event": Fired,
    "metrics": Metrics,
    "twin/desired": Desired,
    "twin/reported": Reported,
    "cmd": Command,
    "res": Answer,
    "deploy/desired": DeployDesired,
    "deploy/status": DeployStatus,
    "fl": FederatedReady,
    "plan": RolloutPlan,
    "wish": RolloutWish,
    "progress": RolloutProgress,
}


def _examples() -> list[tuple[str, str]]:
    """What each heading's topic begins with, without its names, with the JSON blocks below it."""
    found = []
    for section in re.split(r"^## ", _PAGE.read_text(), flags=re.MULTILINE)[1:]:
        kind = section.split("`")[1].partition("/<")[0]
        found += [(kind, block) for block in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    return found


def _infer(**changes: Any) -> Infer:
    fields: dict[str, Any] = {
        "pipeline": "door",
        "captured": 1_700_000_000_000,
        "seq": 7,
        "boot": "b",
        "model": ModelName(name="m", version="1.0.0", hash="0123456789ab"),
        "ms": Timings(age=1.0, prepare=0.5, infer=2.0, interpret=0.1),
    }
    return Infer(**(fields | changes))


@pytest.mark.parametrize(("kind", "text"), _examples())
def test_every_example_of_the_page_is_what_the_code_says(kind: str, text: str) -> None:
    message = _DECODERS[kind](text.encode())
    assert json.loads(encode(message)) == json.loads(text)


def test_the_page_shows_each_topic() -> None:
    assert {kind for kind, _ in _examples()} == set(_DECODERS)


@pytest.mark.parametrize("kind", _SCHEMAS)
def test_the_page_shows_each_field_of_each_topic(kind: str) -> None:
    examples = [json.loads(text) for topic, text in _examples() if topic == kind]
    assert {key for example in examples for key in example} == {
        "v",
        *_SCHEMAS[kind].__struct_fields__,
    }


@pytest.mark.parametrize("part", ["outbox", "board"])
def test_the_page_shows_each_field_of_a_part_of_the_metrics(part: str) -> None:
    (shown,) = (json.loads(text)[part] for kind, text in _examples() if kind == "metrics")
    schema = {"outbox": OutboxMetrics, "board": BoardMetrics}[part]
    assert set(shown) == set(schema.__struct_fields__)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("status", '"state":"gone"'),
        ("metrics", '"uptime_s":-1'),
        ("twin/desired", '"version":-1'),
        ("cmd", '"id":"a/b"'),
        ("cmd", '"mac":"short"'),
        ("res", '"code":"fine"'),
    ],
)
def test_a_field_that_cannot_be_is_refused(kind: str, said: str) -> None:
    text = next(json.loads(text) for topic, text in _examples() if topic == kind)
    payload = json.dumps(text | json.loads(f"{{{said}}}")).encode()
    with pytest.raises(InputError, match=f"{kind} message"):
        _DECODERS[kind](payload)


def test_metrics_of_the_first_edgekit_still_decode() -> None:
    first = (
        b'{"v":1,"boot":"b","uptime_s":1.5,"pipelines":{"door":{"taken":1,"skipped":0,"refused":0,'
        b'"predictions":1,"queue":0,"ms":{"p50":1,"p95":1,"p99":1}}},'
        b'"mqtt":{"sent":1,"acknowledged":1,"dropped":0}}'
    )
    metrics = decode_metrics(first)
    assert metrics.board is None
    assert metrics.pipelines["door"].state is None
    assert json.loads(encode(metrics)) == json.loads(first)


def test_a_command_keeps_its_arguments_as_the_bytes_they_came_in() -> None:
    command = decode_command(b'{"v":1, "arguments":  {"b" : 1.50,"a":[ ]}, "id":"x"}')
    assert bytes(command.arguments) == b'{"b" : 1.50,"a":[ ]}'


def test_what_has_its_default_is_left_out() -> None:
    sent = json.loads(encode(_infer(values=(1.0,))))
    assert "hist" not in sent
    assert "origin" not in sent
    assert sent["v"] == 1


def test_offline_differs_from_online_in_state_and_reason_only() -> None:
    versions = Versions(edgekit="1", python="3", onnxruntime="1")
    online = Status(state="online", boot="b", versions=versions, pipelines=("door",))
    offline = online.offline("SIGTERM")
    assert (offline.state, offline.reason) == ("offline", "SIGTERM")
    assert (offline.boot, offline.pipelines) == ("b", ("door",))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"score": 1.0},
        {"score": 1.0, "threshold": 2.0},
        {"values": (1.0,), "top": ()},
        {"score": 1.0, "threshold": 2.0, "anomalous": False, "values": (1.0,)},
    ],
)
def test_an_infer_message_has_exactly_one_whole_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="infer message"):
        encode(_infer(**changes))
    with pytest.raises(InputError, match="infer message"):
        decode_infer(msgspec.json.encode(_infer(**changes)))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_never_sent(bad: float) -> None:
    for changes in (
        {"score": bad, "threshold": 1.0, "anomalous": True},
        {"values": (0.0, bad)},
        {"top": (TopClass(id=0, label="cat", p=bad),)},
    ):
        with pytest.raises(InputError):
            encode(_infer(**changes))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "truncated"),
        (b"\xff\xfe", "infer message"),
        (b"[" * 100_000, "infer message"),
        (b'{"v":2}', "version 2 is not the one"),
        (b"{}", "missing required field `v`"),
        (b'{"v":1}', "missing required field"),
        (b'{"v":"1"}', "Expected `int`"),
    ],
)
def test_what_is_not_an_infer_message_says_why(payload: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        decode_infer(payload)


def test_a_field_of_a_later_edgekit_is_passed_over() -> None:
    sent = json.loads(encode(_infer(values=(1.0,))))
    assert decode_infer(json.dumps(sent | {"later": 1}).encode()) == _infer(values=(1.0,))


_text = st.text(min_size=1, max_size=20)
_real = st.floats(allow_nan=False, allow_infinity=False)
_answers = st.one_of(
    st.fixed_dictionaries(
        {
            "top": st.lists(
                st.builds(TopClass, id=st.integers(0, 10**6), label=st.text(), p=st.floats(0, 1))
            ).map(tuple)
        }
    ),
    st.fixed_dictionaries({"score": _real, "threshold": _real, "anomalous": st.booleans()}),
    st.fixed_dictionaries({"values": st.lists(_real).map(tuple)}),
)


@given(_answers, st.none() | st.text(), st.booleans(), _text, st.integers(0, 2**63 - 1))
def test_infer_messages_round_trip(
    answer: dict[str, Any], origin: str | None, hist: bool, pipeline: str, seq: int
) -> None:
    message = _infer(**answer, origin=origin, hist=hist, pipeline=pipeline, seq=seq)
    assert decode_infer(encode(message)) == message


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.binary() | _json.map(lambda value: json.dumps(value).encode()))
def test_anything_else_raises_the_one_error(payload: bytes) -> None:
    for decode in _DECODERS.values():
        with pytest.raises(InputError):
            decode(payload)


@given(st.data(), st.sampled_from(_examples()))
def test_a_damaged_message_decodes_or_raises_the_one_error(
    data: st.DataObject, example: tuple[str, str]
) -> None:
    kind, text = example
    fields = json.loads(text)
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(_json)
    damaged = bytearray(json.dumps(fields).encode())
    if data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = _DECODERS[kind](bytes(damaged))
    except InputError:
        return
    assert _DECODERS[kind](encode(message)) == message
