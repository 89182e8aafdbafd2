"""What a daemon says and is told over a real broker: rules, fusion, commands, twin, backlog."""

import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edgekit.messaging.link import MqttLink
from edgekit.messaging.payloads import decode_fired, decode_infer, decode_metrics, decode_reported
from edgekit.messaging.topics import Topics
from tests.broker import Listener, listening, settings_for
from tests.daemon.process import rows, settings, started, until
from tests.samples import picture_bundle, video
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker
BOARD_TOPICS = "edgekit/v1/test/board/#"
HALL = (
    '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "mqtt" }]\n'
    'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
)


def hall(tmp_path: Path) -> str:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    return HALL


def next_at(listener: Listener, ending: str) -> bytes:
    """The next message at a topic with that end."""
    while not (message := listener.next()).topic.endswith(ending):
        pass
    return message.payload


class Operator:
    """Someone with the board's own rights at the broker, who publishes to it."""

    def __init__(self, broker: PrivateBroker) -> None:
        from edgekit.daemon.standing import status_of

        self._link = MqttLink(settings_for(broker), Topics("test", "operator"), status_of("o", {}))

    def __enter__(self) -> "Operator":
        self._link.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()

    def tells(self, topic: str, message: dict[str, Any], *, retain: bool = False) -> None:
        payload = json.dumps({"v": 1, **message}).encode()
        assert self._link.publish(f"edgekit/v1/test/board/{topic}", payload, retain=retain)


def test_a_rule_over_a_fact_fires_once_and_says_what_it_read(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = rows(tmp_path) + (
        '[facts.hot]\nwhen = "pump.anomalous"\n'
        '[rules.overheated]\nwhen = "hot and pump.score > 15"\nsinks = [{ kind = "mqtt" }]\n'
    )
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(settings(tmp_path, text, broker)) as daemon,
    ):
        fired = decode_fired(next_at(listener, "event/overheated"))
        assert daemon.process.wait(60) == 0
    assert (fired.rule, fired.seq, fired.facts["pump.score"]) == ("overheated", 0, 20.0)
    rest = [listener.heard.get_nowait().topic for _ in range(listener.heard.qsize())]
    assert not [topic for topic in rest if "event/" in topic]


def test_fused_pipelines_speak_as_one(tmp_path: Path, broker: PrivateBroker) -> None:
    text = (
        hall(tmp_path)
        + HALL.replace("hall", "yard")
        + ("[fusion.site]\ninputs = { hall = 0.7, yard = 0.3 }\nwindow_s = 1\n")
        + 'sinks = [{ kind = "mqtt" }]\n'
    )
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(settings(tmp_path, text, broker)),
    ):
        fused = decode_infer(next_at(listener, "infer/site"))
    assert fused.origin == "hall, yard"
    assert fused.top is not None
    assert len(fused.top) == 4


def test_commands_are_followed_as_far_as_settings_allow(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = hall(tmp_path) + (
        '[commands]\nallow = ["snapshot", "set-rate", "reload"]\n[pictures]\nsnapshots = true\n'
    )
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(settings(tmp_path, text, broker)),
        Operator(broker) as operator,
    ):
        next_at(listener, "infer/hall")
        operator.tells("cmd/snapshot", {"id": "a"})
        picture = json.loads(next_at(listener, "res/snapshot/a"))
        jpeg = np.frombuffer(base64.b64decode(picture["result"]["jpeg"]), np.uint8)
        assert cv2.imdecode(jpeg, cv2.IMREAD_COLOR).shape == (16, 16, 3)
        operator.tells("cmd/set-rate", {"id": "b", "arguments": {"max_hz": 2.5}})
        assert json.loads(next_at(listener, "res/set-rate/b"))["result"] == {"max_hz": 2.5}
        operator.tells("cmd/reload", {"id": "c"})
        assert json.loads(next_at(listener, "res/reload/c"))["said"] == "nothing had changed"
        operator.tells("cmd/collect", {"id": "d", "arguments": {"samples": 3}})
        assert json.loads(next_at(listener, "res/collect/d"))["code"] == "not-allowed"


def test_collected_pictures_are_kept_in_the_state_directory(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = 'state = "state"\n' + hall(tmp_path)
    text += '[commands]\nallow = ["collect"]\n[pictures]\ncollect = true\n'
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(settings(tmp_path, text, broker)),
        Operator(broker) as operator,
    ):
        next_at(listener, "infer/hall")
        operator.tells("cmd/collect", {"id": "a", "arguments": {"samples": 3}})
        assert json.loads(next_at(listener, "res/collect/a"))["code"] == "ok"
        kept = tmp_path / "state" / "pictures"
        until(lambda: len(list(kept.glob("*hall*.jpg"))) == 3, "three pictures")


def test_a_twin_is_applied_reported_and_kept_over_a_restart(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = 'state = "state"\n' + rows(tmp_path) + '[twin]\nallow = ["threshold"]\n'
    text = text.replace('path = "rows.csv"', 'path = "rows.csv", follow = true')
    config = settings(tmp_path, text, broker)
    wish = {"version": 3, "settings": {"pipelines": {"pump": {"threshold": 30, "max_hz": 1}}}}
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(config),
        Operator(broker) as operator,
    ):
        next_at(listener, "twin/reported")
        operator.tells("twin/desired", wish)
        reported = decode_reported(next_at(listener, "twin/reported"))
        assert (reported.version, list(reported.refused)) == (3, ["pipelines.pump.max_hz"])
        assert reported.settings.pipelines["pump"].threshold == 30
    with listening(broker, BOARD_TOPICS) as listener, started(config):
        (again := decode_reported(next_at(listener, "twin/reported")))
        while again.boot == reported.boot:  # what the broker had kept
            again = decode_reported(next_at(listener, "twin/reported"))
        with (tmp_path / "rows.csv").open("a") as file:
            file.write("20,20\n" * 4)
        until(lambda: (tmp_path / "out.jsonl").stat().st_size > 0, "a prediction")
    told = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])
    assert (again.version, told["threshold"], told["anomalous"]) == (3, 30.0, False)


def test_what_a_broker_missed_comes_later_and_says_so(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = 'state = "state"\n' + rows(tmp_path, sink='kind = "mqtt"')
    config = settings(tmp_path, text, broker)
    broker.stop()
    with started(config) as daemon:
        assert "10 predictions, 0 lost" in daemon.says("pipeline pump")
        assert daemon.process.wait(60) == 0  # all of it is safe
    assert any("no MQTT broker" in line for line in daemon.log)
    broker.start()
    (tmp_path / "rows.csv").write_text("a,b\n")
    with listening(broker, BOARD_TOPICS) as listener, started(config) as daemon:
        late = [decode_infer(next_at(listener, "infer/pump")) for _ in range(10)]
        metrics = decode_metrics(next_at(listener, "metrics"))
        assert daemon.process.wait(60) == 0
    assert [(message.seq, message.hist) for message in late] == [(n, True) for n in range(10)]
    assert metrics.outbox is not None
    assert (metrics.outbox.backfilled, metrics.outbox.waiting) == (10, 0)
