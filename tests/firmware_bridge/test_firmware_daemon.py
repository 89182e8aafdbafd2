"""edgekitd with the example firmware in QEMU on its serial line, and a real broker."""

from pathlib import Path

import pytest

from edgekit.messaging.payloads import (
    Answer,
    BridgeMetrics,
    Infer,
    decode_answer,
    decode_infer,
    decode_metrics,
)
from tests.broker import Listener, listening
from tests.daemon.process import settings, started
from tests.daemon.test_conversation import Operator, next_at
from tests.firmware_bridge.conftest import Example
from tools.firmware.emulator import Emulator
from tools.private_broker import PrivateBroker

pytestmark = pytest.mark.broker


def config_for(tmp_path: Path, example: Example, emulator: Emulator, broker: PrivateBroker) -> Path:
    """The firmware's own scores as `motor`, and the same bundle over its samples as `pump`."""
    return settings(
        tmp_path,
        f"""
        metrics_interval_s = 1
        [mcu.motor]
        port = "{emulator.port}"
        sinks = [{{ kind = "mqtt" }}]
        [pipelines.pump]
        bundle = "{example.bundle.path}"
        sinks = [{{ kind = "mqtt" }}]
        [pipelines.pump.source]
        kind = "serial"
        port = "{emulator.port}"
        columns = ["accel.0", "accel.1", "accel.2"]
        rate_hz = 1000
        [commands]
        allow = ["mcu"]
        """,
        broker,
    )


def next_from(listener: Listener, pipeline: str, *, anomalous: bool) -> Infer:
    """Its next prediction of that kind."""
    while (
        found := decode_infer(next_at(listener, f"infer/{pipeline}"))
    ).anomalous is not anomalous:
        pass
    return found


def asked(operator: Operator, listener: Listener, number: int, name: str, **more: object) -> Answer:
    """What comes of a command to the microcontroller."""
    arguments = {"device": "motor", "command": name, **more}
    operator.tells("cmd/mcu", {"id": f"c{number}", "arguments": arguments})
    return decode_answer(next_at(listener, f"res/mcu/c{number}"))


def link_when(listener: Listener, state: str) -> BridgeMetrics:
    """What metrics say of the link, once it fares like that."""
    while True:
        bridges = decode_metrics(next_at(listener, "board/metrics")).bridges
        if bridges and bridges["motor"].state == state:
            return bridges["motor"]


def test_faults_are_heard_of_over_mqtt_and_a_dead_firmware_comes_back(
    tmp_path: Path, example: Example, emulator: Emulator, broker: PrivateBroker
) -> None:
    manifest = example.bundle.manifest
    assert manifest.thresholds is not None
    with (
        listening(broker, "edgekit/v1/test/board/#") as listener,
        started(config_for(tmp_path, example, emulator, broker)) as daemon,
        Operator(broker) as operator,
    ):
        next_from(listener, "pump", anomalous=False)
        calm = next_from(listener, "motor", anomalous=False)
        assert (calm.model.name, calm.model.hash) == (manifest.name, example.bundle.short_hash[:12])
        assert calm.threshold == pytest.approx(manifest.thresholds.anomaly, rel=1e-6)

        assert asked(operator, listener, 1, "fault", args=3600).code == "ok"
        loud = next_from(listener, "motor", anomalous=True)
        assert loud.score is not None
        assert loud.score > 2 * manifest.thresholds.anomaly
        judged = next_from(listener, "pump", anomalous=True)
        assert judged.origin is not None
        assert judged.origin.startswith("mps2:")

        tested = asked(operator, listener, 2, "selftest")
        assert tested.code == "ok"
        assert tested.result["value"]["wrong"] == 0
        assert asked(operator, listener, 3, "identify").code == "ok"
        daemon.says("it is me")
        assert asked(operator, listener, 4, "sing").code == "failed"

        assert asked(operator, listener, 5, "crash", args=700).code == "ok"
        link_when(listener, "silent")  # the firmware stopped in the middle of a packet
        assert asked(operator, listener, 6, "selftest").code == "unavailable"
        emulator.kill()
        daemon.says("(again in")
        emulator.start()
        assert link_when(listener, "open").reopened >= 1
        next_from(listener, "motor", anomalous=False)  # it has forgotten its fault
        next_from(listener, "pump", anomalous=False)
        assert asked(operator, listener, 7, "fault", args=3600).code == "ok"
        next_from(listener, "motor", anomalous=True)
        assert daemon.end() == 0
