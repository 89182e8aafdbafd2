"""The doctor finds what is wrong, says what to do, and leaves a sound board in peace."""

import errno
import json
import os
import socket
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import PictureRule
from edgekit.config.sources import CameraSource, ImagesSource, RtspSource, VideoSource
from edgekit.daemon.doctor import host
from edgekit.daemon.doctor.broker import look_at_broker
from edgekit.daemon.doctor.bundles import look_at_bundle
from edgekit.daemon.doctor.cameras import look_at_device, look_at_pictures
from edgekit.daemon.doctor.disk import look_at_disk
from edgekit.daemon.doctor.finding import Finding
from edgekit.daemon.thermal import Throttling
from edgekit.messaging.settings import MqttSettings
from edgekit.messaging.topics import Topics
from tests.broker import BOARD, PASSWORD, settings_for
from tests.cli.running_field import run_module as run
from tests.samples import SIDE, picture_bundle, pictures, video
from tools.private_broker import PrivateBroker, _free_port, make_authority

RULE = PictureRule(height=SIDE, width=SIDE)
TOPICS = Topics("test", "board")
NOON_2026 = 1_767_268_800.0


def grades(findings: Sequence[Finding]) -> list[str]:
    return [finding.grade for finding in findings]


def assert_helpful(finding: Finding, says: str) -> None:
    assert finding.grade == "problem"
    assert says in finding.what
    assert finding.advice


def nobody(_: Sequence[str]) -> str | None:
    return None


def test_a_clock_that_the_network_set_is_in_order(tmp_path: Path) -> None:
    def at_noon() -> float:
        return NOON_2026

    assert host.look_at_clock(tmp_path, now_s=at_noon, ask=nobody).grade == "warning"
    assert host.look_at_clock(tmp_path, now_s=at_noon, ask=lambda _: "yes\n").grade == "ok"
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    assert host.look_at_clock(tmp_path, now_s=at_noon, ask=nobody).grade == "ok"


@pytest.mark.parametrize("now", [0.0, -5.0, 1e9, 1e15])
def test_a_year_that_cannot_be_is_a_problem(tmp_path: Path, now: float) -> None:
    assert_helpful(host.look_at_clock(tmp_path, now_s=lambda: now, ask=nobody), "cannot be")


@pytest.mark.parametrize(("celsius", "grade"), [(45, "ok"), (72, "warning"), (83, "problem")])
def test_heat_is_graded(tmp_path: Path, celsius: int, grade: str) -> None:
    zone = tmp_path / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True)
    (zone / "type").write_text("cpu-thermal\n")
    (zone / "temp").write_text(f"{celsius}000\n")
    assert host.look_at_temperature(tmp_path).grade == grade


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        (None, "ok"),
        (Throttling(), "ok"),
        (Throttling(under_voltage=True), "problem"),
        (Throttling(throttled=True), "problem"),
        (Throttling(under_voltage_occurred=True), "warning"),
        (Throttling(throttled_occurred=True), "warning"),
    ],
)
def test_power_is_graded(told: Throttling | None, grade: str) -> None:
    assert host.look_at_power(read=lambda _: told).grade == grade


@pytest.mark.parametrize(("megabytes", "grade"), [(400, "ok"), (100, "warning"), (20, "problem")])
def test_memory_is_graded(tmp_path: Path, megabytes: int, grade: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(
        f"MemTotal: 999999 kB\nMemAvailable: {megabytes * 1024} kB\n"
    )
    assert host.look_at_memory(tmp_path).grade == grade


@settings(max_examples=100, deadline=None)
@given(text=st.binary(max_size=60) | st.text("MemAvailable: \n0123456789kB").map(str.encode))
def test_any_meminfo_gives_a_finding(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    root = tmp_path_factory.mktemp("m")
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_bytes(text)
    assert host.look_at_memory(root).about == "memory"


def test_a_board_says_its_model_and_misses_its_engine(tmp_path: Path) -> None:
    def none(name: str) -> str:
        raise PackageNotFoundError(name)

    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi Zero 2 W Rev 1.0\0")
    board, *_, missing = host.look_at_versions(tmp_path, installed=none)
    assert "Raspberry Pi Zero 2 W Rev 1.0, Linux" in board.what
    assert_helpful(missing, "no engine")


@pytest.mark.parametrize(
    ("told", "grade"),
    [
        (None, "ok"),
        ("LoadState=not-found\nActiveState=inactive\n", "warning"),
        ("LoadState=loaded\nActiveState=inactive\n", "warning"),
        ("LoadState=loaded\nActiveState=failed\n", "problem"),
        ("LoadState=loaded\nActiveState=active\nNRestarts=3\n", "warning"),
        ("LoadState=loaded\nActiveState=active\nUnitFileState=disabled\n", "warning"),
        ("LoadState=loaded\nActiveState=active\nNRestarts=0\nUnitFileState=enabled\n", "ok"),
    ],
)
def test_the_service_is_graded(told: str | None, grade: str) -> None:
    assert host.look_at_service(ask=lambda _: told).grade == grade


def test_a_sound_disk_is_in_order_and_nothing_is_left_on_it(tmp_path: Path) -> None:
    assert "problem" not in grades(list(look_at_disk(tmp_path)))
    assert list(tmp_path.iterdir()) == []


def test_a_full_read_only_or_missing_disk_is_a_problem(tmp_path: Path) -> None:
    def full(_: Path) -> os.statvfs_result:
        values = (4096, 4096, 1000, 0, 0, 1000, 0, 5, os.ST_RDONLY, 255)
        return os.statvfs_result(values)

    def worn_out(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    read_only, room, inodes, _ = look_at_disk(tmp_path, statvfs=full)
    assert read_only.what == "the root file system is read-only"
    assert_helpful(room, "0 MB free")
    assert_helpful(inodes, "5 more files")
    assert_helpful(list(look_at_disk(tmp_path, sync=worn_out))[-1], "Input/output error")
    assert_helpful(list(look_at_disk(tmp_path / "none"))[-1], "is not there")
    assert grades(list(look_at_disk(None)))[-1] == "warning"


def test_a_bundle_is_run_and_a_changed_one_is_named(tmp_path: Path) -> None:
    bundle = picture_bundle(tmp_path / "b").path
    found = look_at_bundle("pipelines.door.bundle", bundle)
    assert found.grade == "ok"
    assert "golden vectors reproduced" in found.what
    (bundle / "labels.txt").write_text("changed\n")
    assert_helpful(look_at_bundle("pipelines.door.bundle", bundle), "labels.txt")


def test_a_source_that_gives_pictures_is_in_order(tmp_path: Path) -> None:
    pictures(tmp_path / "p", count=2)
    (found,) = look_at_pictures("source", ImagesSource(path=tmp_path / "p"), RULE)
    assert found.grade == "ok"
    assert f"{SIDE} x {SIDE}" in found.what
    video(tmp_path / "v.avi", frames=3)
    (found,) = look_at_pictures("source", VideoSource(path=tmp_path / "v.avi"), RULE)
    assert found.grade == "ok"


def test_a_source_without_a_picture_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "v.avi").write_bytes(b"no video")
    (found,) = look_at_pictures("source", VideoSource(path=tmp_path / "v.avi"), RULE)
    assert_helpful(found, "v.avi")


def test_a_camera_that_is_not_there_or_not_ours_is_said_without_opening_it(tmp_path: Path) -> None:
    (found,) = look_at_pictures("source", CameraSource(device=str(tmp_path / "video7")), RULE)
    assert_helpful(found, "video7 is not there")
    (tmp_path / "video0").touch()
    assert_helpful(look_at_device("source", tmp_path / "video0", may_use=lambda _: False), "group")
    assert look_at_device("source", tmp_path / "video0").grade == "ok"


def test_a_network_camera_that_does_not_answer_is_said_without_its_secrets() -> None:
    port = _free_port()
    url = f"rtsp://127.0.0.1:{port}/stream?token=secret"
    (found,) = look_at_pictures("source", RtspSource(url=url), RULE)
    assert_helpful(found, f"rtsp://127.0.0.1:{port}/stream")
    assert "secret" not in found.what + found.advice


def test_a_camera_that_answers_and_gives_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/stream"
        first, second = look_at_pictures("source", RtspSource(url=url), RULE, within_s=1.0)
    assert first.grade == "ok"
    assert_helpful(second, "")


@pytest.mark.broker
@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_broker_that_takes_our_messages_is_in_order(broker: PrivateBroker, version: str) -> None:
    found = list(look_at_broker(settings_for(broker, version=version), TOPICS))  # type: ignore[arg-type]
    assert grades(found) == ["ok", "ok", "ok"]
    assert "edgekit/v1/test/board/doctor" in found[-1].what


@pytest.mark.broker
def test_each_thing_that_a_broker_can_refuse_is_said(broker: PrivateBroker, tmp_path: Path) -> None:
    def last(**changes: object) -> Finding:
        values = {
            "host": broker.host,
            "port": broker.port,
            "username": BOARD,
            "password": PASSWORD,
            "ca": broker.ca,
        }
        return list(look_at_broker(MqttSettings(**{**values, **changes}), TOPICS))[-1]  # type: ignore[arg-type]

    assert_helpful(last(password="wrong"), "turned us away")
    assert_helpful(last(ca=make_authority(tmp_path)), "not trusted")
    assert_helpful(last(ca=None, tls=False), "closed the connection")
    assert_helpful(last(port=_free_port()), "nothing listens")
    assert_helpful(last(ca=tmp_path / "none.pem"), "none.pem")
    assert_helpful(last(host="no-such-host.invalid"), "cannot be resolved")


@pytest.mark.broker
def test_a_board_that_may_not_speak_at_its_topics_is_told(tmp_path: Path) -> None:
    with PrivateBroker(tls=True, users={BOARD: PASSWORD}, writable="other/#") as strict:
        found = list(look_at_broker(settings_for(strict), TOPICS))
    assert grades(found) == ["ok", "ok", "problem"]
    assert_helpful(found[-1], "refused a message to edgekit/v1/test/board/doctor")


def test_the_command_gives_every_mistake_in_json_and_1(tmp_path: Path) -> None:
    config = tmp_path / "edgekit.toml"
    config.write_text(
        'metrics = 1\n[pipelines.a]\nbundel = "b"\nsource = { kind = "images", path = "p" }\n'
        'sinks = [{ kind = "jsonl", path = "o" }]\n'
    )
    done = run("doctor", "--config", config, "--json")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    wrong = [found for found in document["findings"] if found["about"] == "settings"]
    assert len(wrong) == 3
    assert document["problems"] >= 3
    assert all(found["advice"] for found in document["findings"] if found["grade"] != "ok")


def test_the_command_gives_0_for_a_sound_board(tmp_path: Path) -> None:
    picture_bundle(tmp_path / "b")
    pictures(tmp_path / "p", count=2)
    (tmp_path / "state").mkdir()
    config = tmp_path / "edgekit.toml"
    config.write_text(
        'state = "state"\n[pipelines.a]\nbundle = "b"\n'
        'source = { kind = "images", path = "p" }\nsinks = [{ kind = "jsonl", path = "o" }]\n'
    )
    done = run("doctor", "--config", config)
    assert done.returncode == 0, done.stdout
    assert "pipelines.a.source: gave a picture" in done.stdout
