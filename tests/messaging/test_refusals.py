"""Why a broker cannot be used is one line that says what to do, and not said all the time."""

import logging
import socket
import ssl

import pytest

from edgekit.messaging.refusals import Complaints, why_cut, why_refused, why_unreachable


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (ConnectionRefusedError(), "start the broker"),
        (socket.gaierror(-2, "Name or service not known"), "check its spelling"),
        (TimeoutError(), "firewalls"),
        (ConnectionResetError(), "is this the broker's TLS port"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TLS port"),
        (OSError(101, "Network is unreachable"), "Network is unreachable; check the host"),
    ],
)
def test_each_failure_says_what_to_do(error: Exception, advice: str) -> None:
    said = why_unreachable(error, tls=True, ca=None)
    assert advice in said
    assert "\n" not in said


def test_what_cut_a_connection_is_told_where_it_was_our_certificate() -> None:
    said = (
        "failed to receive on socket: [SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca (_ssl)"
    )
    told = why_cut(said)
    assert told is not None
    assert told.startswith("TLS failed: tlsv1 alert unknown ca; the broker does not trust")
    assert why_cut("failed to receive on socket: [Errno 104] Connection reset by peer") is None


def test_codes_without_advice_point_to_the_log() -> None:
    assert why_refused(0x80, "Unspecified error") == "unspecified error; look at the broker's log"


def test_a_complaint_is_repeated_after_ten_minutes_or_once_things_were_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = [0.0]
    complaints = Complaints(logging.getLogger("test"), clock_s=lambda: now[0])

    def make(reason: str) -> int:
        caplog.clear()
        complaints.make(reason, f"text of {reason}")
        return len(caplog.records)

    assert [make("a"), make("a"), make("b"), make("a")] == [1, 0, 1, 0]
    now[0] = 599.0
    assert make("a") == 0
    now[0] = 600.0
    assert [make("a"), make("a")] == [1, 0]
    complaints.all_well()
    assert make("a") == 1
    assert complaints.count == 8


def test_ever_new_reasons_do_not_fill_the_memory() -> None:
    complaints = Complaints(logging.getLogger("test"))
    for number in range(1000):
        complaints.make(str(number), "text")
    assert len(complaints._logged_at_s) <= 32
