"""`edgekit bridge` as people call it."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.bridge import packets as p
from edgekit.bridge.framing import WHOLE, Frame, encode_frame
from edgekit.bridge.monitor import Monitor
from edgekit.bridge.simulator import Simulator
from edgekit.bridge.writing import payload_of

BRIDGE = [sys.executable, "-c", "from edgekit.cli.bridge import bridge; bridge()"]
PATIENCE_S = 60


@contextmanager
def simulated(*more: str) -> Iterator[str]:
    """The path of the port that `simulate` says."""
    process = subprocess.Popen([*BRIDGE, "simulate", *more], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "simulated microcontroller" in line
        yield line.split()[-1]
    finally:
        process.send_signal(2)
        process.wait(PATIENCE_S)
        process.stdout.close()


def monitored(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BRIDGE, "monitor", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_what_a_simulated_device_says_is_shown_in_json_and_in_lines(tmp_path: Path) -> None:
    with simulated("--path", str(tmp_path / "port"), "--name", "pump-7") as port:
        done = monitored(port, "--json", "--count", "12")
        assert done.returncode == 0, done.stderr
        *seen, counts = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(seen) == 12
        opened = next(one for one in seen if one["kind"] == "opened")
        assert (opened["device"], opened["models"]) == ("pump-7", ["rms"])
        assert any(one["kind"] == "data" and one["sensor"] == "vibration" for one in seen)
        assert (counts["kind"], counts["rx_crc"]) == ("counts", 0)
        done = monitored(port, "--count", "12")
        assert "sensor vibration" in done.stdout
        assert "frames" in done.stderr
    assert not (tmp_path / "port").exists()


def test_a_file_in_the_place_of_a_simulated_port_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("dear")
    done = subprocess.run(
        [*BRIDGE, "simulate", "--path", str(tmp_path / "notes"), "--for", "0.1"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode != 0
    assert "is no link" in done.stderr
    assert (tmp_path / "notes").read_text() == "dear"


def test_damage_is_shown_as_such(tmp_path: Path) -> None:
    with simulated("--path", str(tmp_path / "port"), "--corrupt", "0.003") as port:
        done = monitored(port, "--json", "--for", "3")
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"damage"} <= {one["kind"] for one in seen}


def test_in_a_terminal_the_counts_stand_below(tmp_path: Path) -> None:
    with simulated("--path", str(tmp_path / "port")) as port:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*BRIDGE, "monitor", port, "--for", "2"], stdout=theirs, stdin=theirs
        )
        os.close(theirs)
        text = b""
        while select.select([ours], [], [], PATIENCE_S)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(ours)
        assert process.wait(PATIENCE_S) == 0
    assert b"\x1b[H" in text
    assert b"simulated runs edgekit-simulator 1" in text


def test_a_port_that_is_not_there_ends_in_one_line(tmp_path: Path) -> None:
    code = "from edgekit.cli import main, COMMANDS\n"
    code += "COMMANDS['bridge'] = 'edgekit.cli.bridge:bridge'\nmain()"
    done = subprocess.run(
        [sys.executable, "-c", code, "bridge", "monitor", str(tmp_path / "nothing")],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 5
    assert "nothing is plugged in there" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_there_is_not_shown() -> None:
    told = [
        Frame(9, WHOLE, 0, payload_of(p.Command(1, "ping"))),
        Frame(4, WHOLE, 0, payload_of(p.Ack(p.Status.OK))),
        Frame(2, WHOLE, 1, payload_of(p.Heartbeat(5, {"rx_frames": 3}))),
        Frame(200, WHOLE, 2, payload_of(p.Application(200, {"a": 1}))),
    ]
    ear = Monitor(speaks=False)
    seen = list(ear.step(b"".join(encode_frame(one) for one in told), 1))
    assert [" ".join(one.line().split()) for one in seen] == [
        "command seq 0 flags 6 id 1 name ping",
        "ack seq 0 flags 6 status OK",
        "heartbeat seq 1 flags 6 clock_us 5 counters {rx_frames 3}",
        "type 200 seq 2 flags 6 type 200 value {a 1}",
    ]
    assert seen[0].document() == {"kind": "command", "seq": 0, "flags": 6, "id": 1, "name": "ping"}


def test_an_ear_beside_the_line_hears_both_sides_and_says_nothing() -> None:
    ear = Monitor(speaks=False)
    host, device = Monitor(), Simulator(seed=1)
    seen, now_ns, up = [], 10**12, b""
    for _ in range(300):
        now_ns += 5_000_000
        list(host.step(up, now_ns))
        down = host.take()
        up = device.step(down, now_ns)
        seen += ear.step(down, now_ns)
        seen += ear.step(up, now_ns)
        assert ear.take() == b""
    kinds = {one.kind for one in seen}
    assert {"hello", "data", "time", "heartbeat"} <= kinds
    assert not [one for one in seen if one.is_trouble]
    assert all(json.dumps(one.document()) and one.line() for one in seen)
