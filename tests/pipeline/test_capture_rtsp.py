"""Streams of a real RTSP server: gst-rtsp-server in a process of its own."""

import os
from itertools import islice
from pathlib import Path

import pytest

from edgekit.bundle import PictureRule
from edgekit.errors import InputError, Unavailable
from edgekit.pipeline.capture.readers.rtsp import with_credentials
from edgekit.pipeline.capture.settings import RtspSettings
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Sample
from tests.rtsp_server import RtspServer

RULE = PictureRule(height=24, width=32)


def source_of(url: str, *, read_timeout_s: float = 20.0, **more: object) -> CaptureSource:
    settings = RtspSettings(url=url, read_timeout_s=read_timeout_s, stall_s=30.0, **more)  # type: ignore[arg-type]
    return CaptureSource(settings, rule=RULE)


def take(source: CaptureSource, count: int) -> list[float]:
    """The mean of each picture."""
    means = []
    for item in islice(source.items(), count):
        assert isinstance(item, Sample)
        means.append(float(item.data.mean()))
        item.release()
    return means


def test_a_stream_breaks_when_its_server_freezes_and_comes_back_with_it() -> None:
    with RtspServer() as server:
        source = source_of(server.url, read_timeout_s=2.0)
        with source:
            means = take(source, 5)
            assert len(set(means)) > 1, "the picture moves"
            server.freeze()
            with pytest.raises(Unavailable, match="gave nothing for 2 s"):
                take(source, 100)
        server.kill()
        with source, pytest.raises(Unavailable, match="refused"):
            take(source, 1)
        server.start()
        with source:
            assert len(take(source, 3)) == 3


def test_a_stream_comes_by_udp() -> None:
    with RtspServer() as server, source_of(server.url, transport="udp") as source:
        assert len(take(source, 3)) == 3


def test_a_path_that_is_not_there_is_told_as_such() -> None:
    with (
        RtspServer() as server,
        source_of(server.url.replace("/cam", "/no")) as source,
        pytest.raises(Unavailable, match=r"/no: cannot be opened.*404"),
    ):
        take(source, 1)


def test_credentials_open_a_stream_and_are_never_told(tmp_path: Path) -> None:
    password = "p@ss:w/rd%20"
    file = tmp_path / "camera.secret"
    with RtspServer(user="joe", password=password) as server:
        source = source_of(server.url, credentials_file=file)
        file.write_text(f"joe:{password}\n")
        with source:
            assert len(take(source, 2)) == 2
            for name in ("cmdline", "environ"):
                assert b"p@ss" not in Path(f"/proc/{source.child_pid}/{name}").read_bytes()
        file.write_text("joe:wrong-word\n")
        with source, pytest.raises(Unavailable, match="401") as raised:
            take(source, 1)
    assert "wrong-word" not in str(raised.value)


@pytest.mark.parametrize("text", ["", "joe\n", ":secret\n", "\n"])
def test_a_file_without_user_and_password_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "camera.secret"
    file.write_text(text)
    with pytest.raises(InputError, match="user:password"):
        with_credentials("rtsp://host/cam", file)


def test_credentials_are_quoted_for_an_address(tmp_path: Path) -> None:
    file = tmp_path / "camera.secret"
    file.write_text("jo e:a/b@c:d" + os.linesep + "more\n")
    assert with_credentials("rtsp://h:1/c", file) == "rtsp://jo%20e:a%2Fb%40c%3Ad@h:1/c"


@pytest.mark.parametrize("url", ["rtsp://joe:pw@host/cam", "rtsp://joe@host"])
def test_an_address_that_holds_a_user_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="credentials_file"):
        RtspSettings(url=url)


def test_an_address_may_hold_an_at_sign_in_its_path() -> None:
    assert RtspSettings(url="rtsp://host/a@b?t=1@2").where == "rtsp://host/a@b"
