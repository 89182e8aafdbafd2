"""Says in one line why a broker cannot be used and what to do about it, and not all the time."""

import logging
import socket
import ssl
import time
from collections.abc import Callable

_REPEAT_AFTER_S = 600.0
_MOST_REASONS = 32

_ADVICE_BY_CODE = {
    0x81: "it rejects what edgekit sent: is it an MQTT broker?",
    0x84: 'set the MQTT version to "3.1.1" (or back to "5")',
    0x85: "give another client id",
    0x86: "check the user name and password",
    0x87: "check the user name and password, and the broker's access list",
    0x88: "wait, or look at the broker's log",
    0x89: "wait, or look at the broker's log",
    0x8A: "ask whoever runs the broker",
    0x8E: "another program connects with the same client id; give each its own",
    0x97: "a quota of the broker is used up",
}


def why_unreachable(error: Exception, *, tls: bool, ca: str | None) -> str:
    """What kept the connection from coming about, for the person who set it up.

    Args:
        error: what connecting raised.
        tls: whether TLS is on.
        ca: the file of the certificate authority that was trusted, if one was named.
    """
    match error:
        case ssl.SSLCertVerificationError():
            trusted = ca or "the system's certificate store"
            return f"its certificate is not trusted: {error.verify_message}; check {trusted}"
        case ssl.SSLError():
            reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
            return f"TLS failed: {reason}; {_tls_advice(reason)}"
        case ConnectionRefusedError():
            return "nothing listens there; start the broker, or correct the host and port"
        case socket.gaierror() | UnicodeError():
            return "the host name cannot be resolved; check its spelling and the name server"
        case TimeoutError():
            return "no answer in time; check the network and firewalls"
        case ConnectionResetError() | BrokenPipeError():
            hint = "is this the broker's TLS port?" if tls else "does the broker expect TLS?"
            return f"it closed the connection at once; {hint}"
        case _:
            return f"{error}; check the host, the port and the network"


def why_cut(trouble: str) -> str | None:
    """What a broken connection's last error says of our certificate, where it is about that."""
    text = trouble.replace("_", " ").lower()
    if not any(word in text for word in _ABOUT_OUR_CERTIFICATE):
        return None
    reason = text.partition("]")[0].rpartition("ssl: ")[2].strip()
    return f"TLS failed: {reason}; {_tls_advice(reason)}"


_ABOUT_OUR_CERTIFICATE = {
    "certificate required": "the broker asks for a certificate: set certificate and key",
    "unknown ca": "the broker does not trust our certificate; who signed it?",
    "certificate expired": "our certificate has expired, or a clock is wrong; renew it",
    "certificate revoked": "our certificate was revoked; get a new one",
    "bad certificate": "the broker does not take our certificate; look at its log",
    "certificate unknown": "the broker does not take our certificate; look at its log",
}


def _tls_advice(reason: str) -> str:
    for word, advice in _ABOUT_OUR_CERTIFICATE.items():
        if word in reason:
            return advice
    return "is this the broker's TLS port?"


def why_refused(code: int, name: str) -> str:
    """What the broker said when it turned the connection or a message away.

    Args:
        code: the MQTT 5 reason code (those of 3.1.1 are mapped to it).
        name: what paho calls that code.
    """
    advice = _ADVICE_BY_CODE.get(code, "look at the broker's log")
    return f"{name.lower()}; {advice}"


class Complaints:
    """Logs each reason once, and again after ten minutes or once things were well between.

    Attributes:
        count: how many complaints were made, logged or not.
    """

    def __init__(
        self, log: logging.Logger, *, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.count = 0
        self._log = log
        self._clock_s = clock_s
        self._logged_at_s: dict[str, float] = {}

    def make(self, reason: str, text: str, *, error: BaseException | None = None) -> None:
        """Logs the text (and an error's traceback), unless it was said not long ago."""
        self.count += 1
        now = self._clock_s()
        if now - self._logged_at_s.get(reason, now - _REPEAT_AFTER_S) < _REPEAT_AFTER_S:
            return
        if len(self._logged_at_s) >= _MOST_REASONS:
            self._logged_at_s.clear()
        self._logged_at_s[reason] = now
        self._log.warning("%s", text, exc_info=error)

    def all_well(self) -> None:
        """Forgets what was said, so that the next complaint is logged at once."""
        self._logged_at_s.clear()
