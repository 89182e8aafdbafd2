"""What boards say is shown live, and a command is sent and answered, over a real broker."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edgekit.cli.watching import Screen, bar_of, line_of, printable, read
from edgekit.errors import InputError
from edgekit.messaging.authority import CommandSettings
from edgekit.messaging.commands import Commands, Result
from edgekit.messaging.link import MqttLink, MqttSettings
from edgekit.messaging.payloads import Status, TopClass, Versions, encode
from edgekit.messaging.topics import Topics
from tests.broker import PATIENCE_S, need_broker
from tests.messaging.test_payloads import _examples, _infer
from tools.private_broker import PrivateBroker

TOPICS = Topics("lab", "zero")
_CODE = (
    "from edgekit.cli import COMMANDS, main;"
    "COMMANDS.update(watch='edgekit.cli.watch:watch', command='edgekit.cli.command:command');"
    "main()"
)


@pytest.fixture(scope="module")
def broker() -> Iterator[PrivateBroker]:
    need_broker()
    with PrivateBroker() as running:
        yield running


@pytest.fixture
def speaker(broker: PrivateBroker) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect(broker.host, broker.port)
    client.loop_start()
    yield client
    client.publish(TOPICS.status, b"", qos=1, retain=True).wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def _example(kind: str, has: str) -> bytes:
    return next(text for topic, text in _examples() if topic == kind and has in text).encode()


def _command(*arguments: object, broker: PrivateBroker) -> list[str]:
    where = ("--broker", broker.host, "--port", broker.port)
    return [sys.executable, "-c", _CODE, *map(str, (*arguments, *where))]


def _started(speaker: Client, *arguments: object, broker: PrivateBroker) -> subprocess.Popen[str]:
    """A watcher that has printed the retained status, and so listens."""
    speaker.publish(TOPICS.status, _example("status", '"online"'), qos=1, retain=True)
    process = subprocess.Popen(
        _command("watch", *arguments, broker=broker),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "online" in process.stdout.readline()
    return process


@pytest.mark.broker
def test_each_message_is_a_line_and_count_ends_it(broker: PrivateBroker, speaker: Client) -> None:
    process = _started(speaker, "--fleet", "lab", "--count", 6, broker=broker)
    for topic, payload in (
        (TOPICS.infer("door"), _example("infer", '"top"')),
        (TOPICS.infer("pump"), _example("infer", '"score"')),
        (TOPICS.event("intruder"), _example("event", '"facts"')),
        (TOPICS.metrics, _example("metrics", '"board"')),
        ("edgekit/v1/other/zero/infer/door", _example("infer", '"top"')),
        (TOPICS.infer("door"), b"not json"),
    ):
        speaker.publish(topic, payload, qos=1)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    door, pump, event, board, broken = out.splitlines()
    assert "zero/door" in door
    assert "tabby 83%, tiger cat 11%" in door
    assert "1.74 of 1, ANOMALOUS" in pump
    assert "door.person > 0.8" in event
    assert "71 °C" in board
    assert "cannot be read" in broken


@pytest.mark.broker
def test_json_is_a_document_a_message(broker: PrivateBroker, speaker: Client) -> None:
    process = _started(speaker, "--json", "--device", "zero", "--count", 2, broker=broker)
    sent = _example("infer", '"top"')
    speaker.publish(TOPICS.infer("door"), sent, qos=1)
    out, _ = process.communicate(timeout=PATIENCE_S)
    document = json.loads(out)
    assert document == {"topic": TOPICS.infer("door"), "message": json.loads(sent)}


@pytest.mark.broker
def test_a_boards_own_file_names_the_broker_and_the_fleet(
    broker: PrivateBroker, speaker: Client, tmp_path: Path
) -> None:
    config = tmp_path / "edgekit.toml"
    config.write_text(
        f"""
[device]
fleet = "lab"
name = "zero"
[mqtt]
host = "{broker.host}"
port = {broker.port}
[pipelines.door]
bundle = "bundle"
source = {{ kind = "images", path = "pictures" }}
sinks = [{{ kind = "mqtt" }}]
"""
    )
    for fleet in ("other", "lab"):
        payload = _example("status", '"online"')
        speaker.publish(Topics(fleet, "zero").status, payload, qos=1, retain=True)
    line = [sys.executable, "-c", _CODE, "watch", "--config", str(config), "--json", "--count", "1"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    other = speaker.publish(Topics("other", "zero").status, b"", qos=1, retain=True)
    other.wait_for_publish(PATIENCE_S)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["topic"] == TOPICS.status


@pytest.mark.broker
def test_ctrl_c_ends_it_cleanly(broker: PrivateBroker, speaker: Client) -> None:
    process = _started(speaker, broker=broker)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")


@pytest.mark.broker
def test_in_a_terminal_a_pipeline_is_one_line_that_is_drawn_over(
    broker: PrivateBroker, speaker: Client
) -> None:
    speaker.publish(TOPICS.status, _example("status", '"online"'), qos=1, retain=True)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _command("watch", "--count", 3, broker=broker),
        stdout=theirs,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100", "LINES": "20"},
    )
    os.close(theirs)
    shown = b""
    published = False
    try:
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            shown += chunk
            if b"online" in shown and not published:
                published = True
                for label in ("first", "second"):
                    message = _infer(top=(TopClass(id=1, label=label, p=0.5),))
                    speaker.publish(TOPICS.infer("door"), encode(message), qos=1)
            if not chunk:
                break
    finally:
        os.close(ours)
    assert process.wait(PATIENCE_S) == 0
    last = shown.decode().rpartition("\x1b[1A")[2].rpartition("\x1b[2A")[2]
    assert "██████" in last
    assert "second 50%" in last
    assert "first" not in last


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_command_prints_its_answer_and_saves_the_picture(
    broker: PrivateBroker, tmp_path: Path, version: Any
) -> None:
    (tmp_path / "key").write_bytes(b"correct horse battery staple\n")
    status = Status(
        state="online", boot="b", versions=Versions(edgekit="1", python="3", onnxruntime="1")
    )
    link = MqttLink(MqttSettings(broker.host, broker.port), TOPICS, status)
    allowed = CommandSettings(allow=frozenset({"snapshot"}), key=b"correct horse battery staple")
    seen = []

    def snapshot(arguments: object) -> Result:
        seen.append(arguments)
        return Result("door, just now", {"pipeline": "door"}, b"\xff\xd8jpeg")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        fleet = ("--fleet", "lab", "--mqtt", version)
        line = _command("command", "zero", *arguments, *fleet, broker=broker)
        return subprocess.run(line, capture_output=True, text=True, check=False)

    with Commands(link, TOPICS, allowed, {"snapshot": snapshot}, boot="b"), link:
        assert link.wait_connected(PATIENCE_S)
        signed = ("--key-file", tmp_path / "key")
        done = run("snapshot", "pipeline=door", *signed, "--out", tmp_path / "door.jpg")
        assert done.returncode == 0, done.stderr
        assert "door, just now" in done.stdout
        assert (tmp_path / "door.jpg").read_bytes() == b"\xff\xd8jpeg"
        unsigned = run("snapshot")
        assert (unsigned.returncode, unsigned.stdout) == (2, "")
        assert "bad-signature" in unsigned.stderr
        assert "not-allowed" in run("reload", *signed).stderr
    assert len(seen) == 1
    wrong = run("set-rate", "max_hz=fast")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    silent = run("reload", "--timeout", "0.2")
    assert silent.returncode == 5
    assert "did not answer" in silent.stderr


def test_no_broker_is_one_line(tmp_path: Path) -> None:
    for arguments, code, said in (
        (("watch", "--broker", "127.0.0.1", "--port", "1"), 5, "nothing listens there"),
        (("watch",), 2, "Give --broker HOST or --config FILE"),
        (("watch", "--broker", "x", "--device", "a/b"), 2, "device"),
        (("watch", "--config", str(tmp_path / "none.toml")), 2, "none.toml"),
    ):
        line = [sys.executable, "-c", _CODE, *arguments]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_what_a_board_says_cannot_steer_the_terminal() -> None:
    message = _infer(top=(TopClass(id=1, label="\x1b[2J\x07cat\n", p=1.0),))
    found = read(TOPICS.infer("door"), encode(message))
    assert found is not None
    assert printable(line_of(*found).text()) == line_of(*found).text()
    assert "cat" in line_of(*found).said


def test_a_bar_is_full_from_one_on() -> None:
    assert [bar_of(share).count("█") for share in (-1, 0, 0.5, 1, 7)] == [0, 0, 6, 12, 12]
    assert bar_of(0.5, blocks=False) == "######......"


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["infer/a", "event/b", "status", "metrics", "x"]),
            st.binary() | st.sampled_from([t.encode() for _, t in _examples()]),
        ),
        max_size=10,
    ),
    st.integers(1, 200),
    st.integers(1, 50),
)
def test_a_drawing_fits_whatever_comes(
    messages: list[tuple[str, bytes]], width: int, height: int
) -> None:
    screen = Screen()
    for topic, payload in messages:
        try:
            found = read(TOPICS.prefix + topic, payload)
        except InputError:
            continue
        if found is not None:
            screen.take(*found)
            assert len(line_of(*found).text(width=width)) <= width
    assert screen.drawing(width=width, height=height).count("\n") <= max(1, height - 1)
