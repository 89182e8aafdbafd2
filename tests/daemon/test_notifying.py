"""What systemd hears of the daemon, over a socket like its own."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemon.process import rows, settings, started
from tests.samples import picture_bundle, video


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Listens as systemd does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(60)
        yield listener


def hears(manager: socket.socket, word: str) -> str:
    """Waits for a message with the word; gives the message."""
    while word not in (message := manager.recv(4096).decode()):
        pass
    return message


def test_it_is_ready_once_its_models_passed_and_says_when_it_reloads_and_stops(
    tmp_path: Path, manager: socket.socket
) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    config = settings(
        tmp_path,
        '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "o.jsonl" }]\n'
        'source = { kind = "video", path = "v.avi", loop = true, realtime = true }\n',
    )
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    with started(config, **environ) as daemon:
        assert "loading brightest for hall" in hears(manager, "STATUS=")
        assert "hall: " in hears(manager, "READY=1")
        hears(manager, "WATCHDOG=1")
        daemon.reload()
        assert "MONOTONIC_USEC=" in hears(manager, "RELOADING=1")
        hears(manager, "READY=1")
        hears(manager, "WATCHDOG=1")
        assert daemon.end() == 0
        hears(manager, "STOPPING=1")


def test_a_silent_source_is_no_reason_to_starve_the_watchdog(
    tmp_path: Path, manager: socket.socket
) -> None:
    text = rows(tmp_path, "a,b\n").replace('path = "rows.csv"', 'path = "rows.csv", follow = true')
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    with started(settings(tmp_path, text), **environ):
        for _ in range(5):
            hears(manager, "WATCHDOG=1")


def test_work_that_is_stuck_starves_the_watchdog(tmp_path: Path, manager: socket.socket) -> None:
    picture_bundle(tmp_path / "brightest")
    video(tmp_path / "v.avi")
    # A sink that waits is stuck work as much as a model that does: a pipe that nobody reads.
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    text = (
        "stuck_s = 0.5\n"
        '[pipelines.hall]\nbundle = "brightest"\nsinks = [{ kind = "jsonl", path = "pipe" }]\n'
        'source = { kind = "video", path = "v.avi", loop = true }\n'
    )
    environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "300000"}
    try:
        with started(settings(tmp_path, text), **environ) as daemon:
            daemon.says("has been at one sample")
            assert "has been at one sample" in hears(manager, "has been at one sample")
    finally:
        os.close(reader)
