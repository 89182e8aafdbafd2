"""A private RTSP server for tests: gst-rtsp-server from Debian, in a process of its own.

As a script it runs under the system's interpreter, which has GStreamer's binding; the tests import
`RtspServer`, which starts it so.
"""

import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"
PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-ugly"
)
_SYSTEM_PYTHON = "/usr/bin/python3"
_START_TIMEOUT_S = 30.0
_H264 = "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! rtph264pay name=pay0"
_JPEG = "jpegenc ! rtpjpegpay name=pay0 pt=26"


class RtspServer:
    """Serves a moving test picture, 160 x 120 at 15 Hz, at `url` while it is entered.

    Attributes:
        url: where, the same however often it is started.
    """

    def __init__(self, *, user: str = "", password: str = "") -> None:
        self._words = [str(_free_port()), user, password]
        self.url = f"rtsp://{HOST}:{self._words[0]}/cam"
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Starts it and returns once it listens; skips the test where it is not installed."""
        import pytest

        from tests.broker import need_program

        need_program(_SYSTEM_PYTHON, "python3-gi")
        self._process = subprocess.Popen(
            [_SYSTEM_PYTHON, __file__, *self._words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        lines: queue.Queue[str] = queue.Queue()
        stdout = self._process.stdout
        assert stdout is not None
        threading.Thread(target=lambda: lines.put(stdout.readline()), daemon=True).start()
        try:
            said = lines.get(timeout=_START_TIMEOUT_S).strip()
        except queue.Empty:
            said = "came not up"
        if said != "ready":
            self.kill()
            reason = f"no RTSP server ({said or 'it died'}): tools/apt.sh {PACKAGES}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)

    def freeze(self) -> None:
        """Stops it where it is: its connections stay open and say nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """Ends it without a word; `start` may bring it back."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _free_port() -> int:
    """Below the range that outgoing connections use, so that none can take it while we are down."""
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
    raise RuntimeError("no free port on the loopback interface")


def _serve(port: str, user: str, password: str) -> None:
    try:
        import gi

        gi.require_version("Gst", "1.0")
        gi.require_version("GstRtspServer", "1.0")
        from gi.repository import GLib, Gst, GstRtsp, GstRtspServer
    except (ImportError, ValueError) as error:
        print(str(error).splitlines()[0], flush=True)
        return
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(HOST)
    server.set_service(port)
    encoder = _H264 if Gst.ElementFactory.find("x264enc") else _JPEG
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_shared(True)
    factory.set_launch(
        "( videotestsrc is-live=true pattern=ball "
        "! video/x-raw,format=I420,width=160,height=120,framerate=15/1 ! " + encoder + " )"
    )
    if user:
        auth = GstRtspServer.RTSPAuth()
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "viewer")
        auth.add_digest(user, password, token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("viewer", "media.factory.access", True)
        permissions.add_permission_for_role("viewer", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/cam", factory)
    if server.attach(None) == 0:
        print(f"port {port} is taken", flush=True)
        return
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    _serve(*sys.argv[1:4])
