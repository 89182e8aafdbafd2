"""edgekitd over rows that come alive: from a broker, from another program, from a sensor."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.broker import BOARD, PASSWORD
from tests.daemon.process import PATIENCE_S, command, lines, settings, started, until
from tests.samples import window_bundle
from tools.private_broker import PrivateBroker


def pump(tmp_path: Path, source: str, broker: PrivateBroker | None = None) -> Path:
    """Settings of a pipeline over windows of 4 rows of a and b, whose score is their mean."""
    window_bundle(tmp_path / "mean")
    text = (
        '[pipelines.pump]\nbundle = "mean"\nsinks = [{ kind = "jsonl", path = "out.jsonl" }]\n'
        f"[pipelines.pump.source]\n{source}\n"
    )
    return settings(tmp_path, text, broker)


def scores(tmp_path: Path) -> list[float]:
    """What was predicted so far; a line that is being written is not there yet."""
    path = tmp_path / "out.jsonl"
    whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
    return [json.loads(line)["score"] for line in whole.splitlines()]


@contextmanager
def publishing(broker: PrivateBroker) -> Iterator[Callable[[str, str], None]]:
    """A sensor: gives what publishes a payload and returns once the broker has it."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(BOARD, PASSWORD)
    client.tls_set(str(broker.ca))
    client.connect(broker.host, broker.port)
    client.loop_start()

    def publish(topic: str, payload: str) -> None:
        client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    try:
        yield publish
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.mark.broker
def test_what_sensors_publish_on_two_topics_becomes_windows_without_loss(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    source = (
        'kind = "mqtt"\ncolumns.a = "edgekit/plant/a"\n'
        'columns.b = { topic = "edgekit/plant", field = "pump.b" }'
    )
    with publishing(broker) as publish, started(pump(tmp_path, source, broker)) as daemon:

        def say(value: int) -> None:
            publish("edgekit/plant/a", str(value))
            publish("edgekit/plant", json.dumps({"pump": {"b": value}}))

        def is_heard() -> bool:
            say(-1)
            return len(scores(tmp_path)) > 0

        until(is_heard, "a prediction")
        for value in range(1, 41):
            say(value)
        # One window may hold rows of both kinds; those after it are of four successive values.
        until(lambda: sum(score >= 2.5 for score in scores(tmp_path)) >= 9, "the predictions")
        first, *others = [score for score in scores(tmp_path) if score >= 2.5]
        assert first in (2.5, 3.5, 4.5, 5.5)
        assert others == [first + 4 * n for n in range(1, len(others) + 1)]
        publish("edgekit/plant/a", "broken")
        assert "edgekit/plant/a" in daemon.says("refused a sample")
        assert daemon.end() == 0


def test_what_another_program_writes_is_worked_off_to_its_last_row(tmp_path: Path) -> None:
    config = pump(tmp_path, 'kind = "stdin"\ncolumns = ["x.0", "x.1"]\ntime_column = "at"')
    documents = [{"x": [n, n], "at": 1_800_000_000 + n} for n in range(40)]
    written = "".join(json.dumps(document) + "\n" for document in documents)
    done = subprocess.run(
        command(config), input=written, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    told = lines(tmp_path / "out.jsonl")
    assert [message["score"] for message in told] == [1.5 + 4 * n for n in range(10)]
    assert told[-1]["captured"] == 1_800_000_039_000


def test_a_sensor_that_is_pulled_out_is_read_again_once_it_is_back(tmp_path: Path) -> None:
    sensor, away = tmp_path / "iio:device0", tmp_path / "away"
    sensor.mkdir()
    for channel, raw in (("accel_x", 100), ("accel_y", 300)):
        (sensor / f"in_{channel}_raw").write_text(f"{raw}\n")
    (sensor / "in_accel_scale").write_text("0.1\n")
    source = (
        f'kind = "iio"\ndevice = "{sensor}"\nchannels = ["accel_x", "accel_y"]\ninterval_s = 0.01'
    )
    with started(pump(tmp_path, source)) as daemon:
        until(lambda: len(scores(tmp_path)) >= 3, "predictions")
        sensor.rename(away)
        assert "the sensor is gone" in daemon.says("(again in")
        before = len(scores(tmp_path))
        away.rename(sensor)
        until(lambda: len(scores(tmp_path)) > before, "more predictions")
        assert daemon.end() == 0
    assert set(scores(tmp_path)) == {20.0}
