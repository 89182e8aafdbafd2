"""edgekitd as a process of its own, with a real broker."""

import socket
from pathlib import Path

import pytest

from edgekit.messaging.payloads import decode_infer, decode_metrics, decode_status
from tests.broker import listening
from tests.daemon.process import lines, rows, run, settings, started, until
from tests.samples import picture_bundle, pictures, video
from tools.private_broker import PrivateBroker


def test_it_ends_by_itself_with_0_when_all_sources_have(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "brightest")
    pictures(tmp_path / "pictures", count=5)
    video(tmp_path / "v.avi", frames=30)
    both = rows(tmp_path) + (
        '[pipelines.door]\nbundle = "brightest"\n'
        'source = { kind = "images", path = "pictures" }\n'
        'sinks = [{ kind = "jsonl", path = "door.jsonl" }]\n'
        '[pipelines.hall]\nbundle = "brightest"\npolicy = "newest"\n'
        'source = { kind = "video", path = "v.avi" }\n'
        'sinks = [{ kind = "jsonl", path = "hall.jsonl" }]\n'
    )
    done = run(settings(tmp_path, both))
    assert done.returncode == 0, done.stderr
    assert [m["score"] for m in lines(tmp_path / "out.jsonl")] == [20.0] * 10
    assert [m["origin"] for m in lines(tmp_path / "door.jsonl")] == [
        f"p{n:02d}.png" for n in range(5)
    ]
    hall = lines(tmp_path / "hall.jsonl")
    said = next(line for line in done.stderr.splitlines() if "pipeline hall" in line)
    assert f"{30 - len(hall)} skipped" in said
    assert hall[-1]["origin"] == "v.avi#29"


@pytest.mark.broker
def test_subscribers_get_status_predictions_metrics_and_farewell(
    tmp_path: Path, broker: PrivateBroker
) -> None:
    text = rows(tmp_path, sink='kind = "mqtt"')
    with listening(broker, "edgekit/v1/test/board/#") as reader:
        done = run(settings(tmp_path, text, broker))
        assert done.returncode == 0, done.stderr
        heard = [reader.next() for _ in range(13)]
    by_topic: dict[str, list[bytes]] = {}
    for message in heard:
        by_topic.setdefault(message.topic.rpartition("board/")[2], []).append(message.payload)
    online, offline = map(decode_status, by_topic["status"])
    assert (online.state, online.pipelines, offline.state) == ("online", ("pump",), "offline")
    predictions = [decode_infer(payload) for payload in by_topic["infer/pump"]]
    assert [p.seq for p in predictions] == list(range(10))
    assert {(p.boot, p.score, p.anomalous) for p in predictions} == {(online.boot, 20.0, True)}
    metrics = decode_metrics(by_topic["metrics"][0])
    assert metrics.pipelines["pump"].predictions == 10


@pytest.mark.broker
def test_a_killed_daemon_leaves_its_last_will(tmp_path: Path, broker: PrivateBroker) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    text = (
        '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "mqtt" }]\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
    )
    with listening(broker, "edgekit/v1/test/board/status") as reader:
        with started(settings(tmp_path, text, broker)):
            assert decode_status(reader.next().payload).state == "online"
        assert decode_status(reader.next().payload).state == "offline"


def test_sigterm_ends_it_cleanly_with_0_and_takes_the_child_along(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    text = (
        '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "o.jsonl" }]\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n'
    )
    with started(settings(tmp_path, text)) as daemon:
        output = tmp_path / "o.jsonl"
        until(lambda: output.exists() and output.stat().st_size > 0, "a prediction")
        children = daemon.children
        assert children  # the capture process
        assert daemon.end() == 0
        assert not [child for child in children if child.is_running()]


def test_an_absent_broker_is_no_reason_not_to_run(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = rows(tmp_path, sink='kind = "mqtt" }, { kind = "jsonl", path = "out.jsonl"')
    config = settings(tmp_path, text)
    config.write_text(config.read_text() + f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n')
    done = run(config)
    assert len(lines(tmp_path / "out.jsonl")) == 10
    assert done.returncode == 1
    assert "nothing listens there" in done.stderr
    assert "10 dropped" in done.stderr


def test_a_bad_row_is_named_counted_and_ends_in_1(tmp_path: Path) -> None:
    text = "a,b\n" + "1,1\n" * 4 + "1,NaN\n" + "2,2\n" * 4
    done = run(settings(tmp_path, rows(tmp_path, text)))
    assert done.returncode == 1
    assert "rows.csv:6: column 'b' is 'NaN'" in done.stderr
    assert [m["score"] for m in lines(tmp_path / "out.jsonl")] == [1.0, 2.0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("break_it", "code", "says"),
    [
        ("config", 2, "did you mean bundle?"),
        ("bundle", 4, "SHA-256"),
        ("missing", 4, "no such folder"),
        ("none", 2, "cannot be read"),
    ],
)
def test_what_cannot_start_says_why_on_one_line(
    tmp_path: Path, break_it: str, code: int, says: str
) -> None:
    config = settings(tmp_path, rows(tmp_path))
    if break_it == "config":
        config.write_text(config.read_text().replace("bundle =", "bundel =") + "bundle = 'mean'\n")
    elif break_it == "bundle":
        model = tmp_path / "mean" / "model.onnx"
        model.write_bytes(bytes(reversed(model.read_bytes())))
    elif break_it == "missing":
        config.write_text(config.read_text().replace('"mean"', '"gone"'))
    else:
        config.unlink()
    done = run(config)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
