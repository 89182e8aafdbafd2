"""edgekitd with a microcontroller that is simulated behind a real pseudo-terminal."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.pty_port import PtyPort
from edgekit.bridge.simulator import Simulated, Simulator
from edgekit.messaging.payloads import decode_answer, decode_infer, decode_metrics
from tests.broker import Listener, listening
from tests.daemon.process import lines, run, settings, started, until
from tests.daemon.test_conversation import Operator, next_at
from tests.samples import window_bundle
from tools.private_broker import PrivateBroker

BOARD_TOPICS = "edgekit/v1/test/board/#"


def level(seconds: np.ndarray, is_wrong: bool) -> np.ndarray:
    """Two values around 1, or around 30 when something is wrong."""
    base = 30.0 if is_wrong else 1.0
    return np.stack([base + 0.1 * np.sin(seconds), base - 0.1 * np.sin(seconds)], axis=1)


SENSOR = p.Sensor("imu", "g", 5_000_000, "<i2", 2, 0.01)


@pytest.fixture
def mcu(tmp_path: Path) -> Iterator[PtyPort]:
    device = Simulator([Simulated(SENSOR, level)], is_scoring_surely=True)
    with PtyPort(device, tmp_path / "port") as running:
        yield running


def pump(tmp_path: Path, mcu: PtyPort, sink: str) -> str:
    """A pipeline over windows of 4 rows, whose score is their mean."""
    window_bundle(tmp_path / "mean")
    return (
        f'[pipelines.pump]\nbundle = "mean"\nsinks = [{{ {sink} }}]\n'
        f'[pipelines.pump.source]\nkind = "serial"\nport = "{mcu.path}"\n'
        'columns = ["imu.0", "imu.1"]\n'
    )


@pytest.mark.broker
def test_samples_scores_and_commands_of_a_microcontroller_go_over_mqtt(
    tmp_path: Path, mcu: PtyPort, broker: PrivateBroker
) -> None:
    text = pump(tmp_path, mcu, 'kind = "mqtt"') + (
        f'[mcu.motor]\nport = "{mcu.path}"\nsinks = [{{ kind = "mqtt" }}]\n'
        '[commands]\nallow = ["mcu"]\n'
        '[rules.shaking]\nwhen = "motor.anomalous and pump.score > 10"\n'
        'sinks = [{ kind = "mqtt" }]\n'
    )
    config = settings(tmp_path, "metrics_interval_s = 1\n" + text, broker)
    with (
        listening(broker, BOARD_TOPICS) as listener,
        started(config) as daemon,
        Operator(broker) as operator,
    ):
        calm = decode_infer(next_at(listener, "infer/pump"))
        assert calm.anomalous is False
        assert calm.score == pytest.approx(1.0, abs=0.2)
        assert calm.origin is not None
        assert calm.origin.startswith("simulated:")
        told = {"command": "anomaly", "args": 3600, "device": "motor"}
        operator.tells("cmd/mcu", {"id": "a", "arguments": told})
        assert decode_answer(next_at(listener, "res/mcu/a")).code == "ok"
        fired = json.loads(next_at(listener, "event/shaking"))
        assert fired["facts"]["motor.anomalous"] is True
        while not (loud := decode_infer(next_at(listener, "infer/pump"))).anomalous:
            pass
        assert loud.score is not None
        assert loud.score > 10
        while not (scored := decode_infer(next_at(listener, "infer/motor"))).anomalous:
            pass
        assert (scored.model.name, scored.threshold, scored.origin) == ("rms", 1.0, "simulated")
        for name, arguments, code in (
            ("b", {"command": "ping", "args": {"x": [1, None]}}, "ok"),
            ("c", {"command": "dance", "args": 1}, "failed"),
            ("d", {"command": "ping", "device": "nobody"}, "bad-arguments"),
            ("e", {"command": "ping", "args": 2**63 * 4}, "bad-arguments"),
        ):
            operator.tells("cmd/mcu", {"id": name, "arguments": arguments})
            answer = decode_answer(next_at(listener, f"res/mcu/{name}"))
            assert (name, answer.code) == (name, code), answer
            if name == "b":
                assert answer.result == {
                    "device": "motor",
                    "status": 0,
                    "value": {"x": [1, None]},
                }
        link = metrics_of(listener)["motor"]
        assert (link.state, link.device, link.crc) == ("open", "simulated", 0)
        assert link.samples > 100
        assert link.rtt_us is not None
        mcu.unplug()
        daemon.says("(again in")
        operator.tells("cmd/mcu", {"id": "f", "arguments": {"command": "ping"}})
        assert decode_answer(next_at(listener, "res/mcu/f")).code == "unavailable"
        while metrics_of(listener)["motor"].state != "waiting":
            pass
        mcu.plug()
        daemon.says("simulated runs edgekit-simulator")
        while metrics_of(listener)["motor"].state != "open":
            pass
        decode_infer(next_at(listener, "infer/pump"))
        assert metrics_of(listener)["motor"].reopened >= 1
        assert daemon.end() == 0


def metrics_of(listener: Listener) -> dict:
    found = decode_metrics(next_at(listener, "board/metrics"))
    assert found.bridges is not None
    return found.bridges


def test_a_board_of_microcontrollers_alone_needs_no_pipeline(tmp_path: Path, mcu: PtyPort) -> None:
    text = (
        f'[mcu.motor]\nport = "{mcu.path}"\nsinks = [{{ kind = "jsonl", path = "out.jsonl" }}]\n'
        "threshold = 5\n"
    )
    out = tmp_path / "out.jsonl"
    with started(settings(tmp_path, text)) as daemon:
        until(lambda: out.exists() and out.read_text().count("\n") >= 2, "scores")
        assert daemon.end() == 0
    first, second, *_ = lines(out)
    assert (first["pipeline"], first["seq"], second["seq"]) == ("motor", 0, 1)
    assert first["threshold"] == 1.0  # what the device says goes before the settings


def test_a_device_that_is_not_there_is_waited_for(tmp_path: Path, mcu: PtyPort) -> None:
    mcu.unplug()
    text = pump(tmp_path, mcu, 'kind = "jsonl", path = "out.jsonl"')
    out = tmp_path / "out.jsonl"
    with started(settings(tmp_path, text)) as daemon:
        assert "nothing is plugged in there" in daemon.says("(again in")
        mcu.plug()
        until(lambda: out.exists() and out.stat().st_size > 0, "predictions")
        assert daemon.end() == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is nothing to run"),
        ('[mcu.a]\nport = "/dev/x"\nbaud = 12', "mcu.a.baud"),
        ('[mcu.a]\nport = "/dev/x"\nsinks = [{ kind = "mqtt" }]', "mcu.a has an mqtt sink"),
        ('[mcu.a]\nport = "/dev/x"\n[mcu.b]\nport = "/dev/x"\nbaud = 9600', "115200 baud already"),
    ],
)
def test_settings_that_cannot_be_are_said_at_once(tmp_path: Path, text: str, says: str) -> None:
    done = run(settings(tmp_path, text))
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.parametrize("missing", ["serial", "cobs", "cbor2"])
def test_a_missing_library_is_named_with_what_to_install(tmp_path: Path, missing: str) -> None:
    config = settings(tmp_path, '[mcu.a]\nport = "/dev/nothing"\n')
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"sys.modules['{missing}.cobs'] = None\n"
        "from edgekit.daemon.main import main\n"
        f"sys.argv = ['edgekitd', '--config', {str(config)!r}]\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert f"need the library {missing}: pip install 'edgekit[serial]'" in done.stderr
