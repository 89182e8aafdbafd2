"""What systemd hears, over a real datagram socket."""

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.daemon.notify import (
    SilentNotifier,
    SystemdNotifier,
    notifier,
    watchdog_interval_s,
)


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """A stand-in for systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.settimeout(10)
        end.bind("\0" + address[1:] if address.startswith("@") else address)
        yield end


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "abstract":
        return f"@edgekit/{uuid.uuid4().hex}"
    return str(tmp_path / "notify")


def test_each_message_is_what_the_protocol_says(address: str) -> None:
    with manager(address) as end:
        told = SystemdNotifier(address, clock_ns=lambda: 123_456_789)
        told.ready("2 pipelines")
        told.watchdog()
        told.reloading()
        told.ready()
        told.status("door: the camera\nis silent")
        told.extend_timeout(2.5)
        told.stopping("told to stop")
        assert [end.recv(4096).decode() for _ in range(7)] == [
            "READY=1\nSTATUS=2 pipelines",
            "WATCHDOG=1",
            "RELOADING=1\nMONOTONIC_USEC=123456",
            "READY=1",
            "STATUS=door: the camera is silent",
            "EXTEND_TIMEOUT_USEC=2500000",
            "STOPPING=1\nSTATUS=told to stop",
        ]


def test_the_environment_gives_the_socket_and_the_watchdog(address: str) -> None:
    environment = {
        "NOTIFY_SOCKET": address,
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    with manager(address) as end:
        told = notifier(environment)
        assert told.watchdog_interval_s == 30.0
        told.watchdog()
        assert end.recv(4096) == b"WATCHDOG=1"


def test_a_manager_that_is_gone_or_deaf_stops_nobody(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with manager(address):
        told = SystemdNotifier(address)
        for _ in range(5000):  # more than the socket's buffer takes
            told.watchdog()
    told.ready()
    Path(address).unlink()
    told.stopping()


@pytest.mark.parametrize("address", ["", "/", "vsock:2:1234", "relative", "/run/a\0b"])
def test_without_a_usable_socket_nobody_is_told(address: str) -> None:
    told = notifier({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert isinstance(told, SilentNotifier)
    assert told.watchdog_interval_s is None
    told.ready("never heard")


def test_the_watchdog_of_another_process_is_not_ours() -> None:
    environment = {"WATCHDOG_USEC": "5000000", "WATCHDOG_PID": "77"}
    assert watchdog_interval_s(environment, process_id=78) is None
    assert watchdog_interval_s(environment, process_id=77) == 5.0
    assert watchdog_interval_s({"WATCHDOG_USEC": "5000000"}, process_id=78) == 5.0


_texts = st.text(max_size=30) | st.integers().map(str)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({}, optional={"WATCHDOG_USEC": _texts, "WATCHDOG_PID": _texts}))
def test_any_environment_gives_an_interval_above_nought_or_none(
    environment: dict[str, str],
) -> None:
    interval = watchdog_interval_s(environment, process_id=1)
    assert interval is None or interval > 0


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=3000))
def test_any_status_is_one_line_of_one_message(text: str) -> None:
    address = f"@edgekit/{uuid.uuid4().hex}"
    with manager(address) as end:
        SystemdNotifier(address).ready(text)
        lines = end.recv(65536).decode().split("\n")
    assert lines[0] == "READY=1"
    assert len(lines) == (2 if text.split() else 1)
