"""Looks at a pipeline's pictures: the device, the right to use it, and a real picture from it."""

import grp
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from edgekit.bundle import PictureRule
from edgekit.config.sources import CameraSource, PictureSource, RtspSource
from edgekit.daemon.doctor.finding import Finding, ok, problem
from edgekit.errors import EdgekitError
from edgekit.pipeline.capture.source import CaptureSource
from edgekit.pipeline.parts import Refusal

_RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
_CONNECT_S = 5.0


def look_at_device(
    about: str, device: Path, *, may_use: Callable[[Path], bool] | None = None
) -> Finding:
    """Whether a camera's device is there and this user may open it."""
    if not device.exists():
        others = sorted(str(path) for path in device.parent.glob("video*") if path != device)
        there = f"there is {', '.join(others)}" if others else "`dmesg` says whether it was found"
        return problem(about, f"{device} is not there", f"plug the camera in; {there}")
    allowed = (may_use or (lambda path: os.access(path, os.R_OK | os.W_OK)))(device)
    if not allowed:
        group = _group(device)
        advice = f"usermod -aG {group} edgekit, then start edgekitd again"
        return problem(about, f"{device}: this user may not open it; the group {group} may", advice)
    return ok(about, f"{device} is there and may be used")


def look_at_address(about: str, url: str) -> Finding:
    """Whether something listens where a network camera should be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or _RTSP_PORTS.get(parts.scheme, 554)
        with socket.create_connection((host, port), timeout=_CONNECT_S):
            return ok(about, f"{host}:{port} answers")
    except socket.gaierror:
        return problem(about, f"{host} cannot be resolved", "check the name and the name server")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        advice = "check the camera's power, cable and address"
        return problem(about, f"nothing answers at {url.partition('?')[0]}: {reason}", advice)


def look_for_picture(
    about: str, source: PictureSource, rule: PictureRule, *, within_s: float = 15.0
) -> Finding:
    """Takes one picture, the way the daemon does: in a child process.

    Args:
        about: where the settings name the source.
        source: its settings.
        rule: the size of picture that the bundle takes.
        within_s: how long to wait for it.
    """
    advice = "end other programs that use it; unplug it and plug it in again"
    capture = CaptureSource(source, rule=rule)
    alarm = threading.Timer(within_s, capture.stop)
    refused = ""
    try:
        with capture:
            alarm.start()
            for item in capture.items():
                if isinstance(item, Refusal):
                    refused = item.reason
                    continue
                height, width = item.data.shape[:2]
                brightness = float(item.data.mean())
                item.release()
                said = f"gave a picture, {width} x {height}, brightness {brightness:.0f} of 255"
                return ok(about, said)
    except EdgekitError as error:
        return problem(about, str(error), advice)
    finally:
        alarm.cancel()
    why = f": {refused}" if refused else ""
    return problem(about, f"no picture within {within_s:g} s{why}", advice)


def look_at_pictures(
    about: str, source: PictureSource, rule: PictureRule, *, within_s: float = 15.0
) -> list[Finding]:
    """All that can be said of a source of pictures; a picture is tried only where it may come."""
    findings = []
    if isinstance(source, CameraSource):
        findings.append(look_at_device(about, source.path))
    elif isinstance(source, RtspSource):
        findings.append(look_at_address(about, source.url))
    if all(finding.grade == "ok" for finding in findings):
        findings.append(look_for_picture(about, source, rule, within_s=within_s))
    return findings


def _group(device: Path) -> str:
    try:
        number = device.stat().st_gid
        return grp.getgrgid(number).gr_name
    except (OSError, KeyError):
        return "video"
