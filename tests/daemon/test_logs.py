"""The daemon's log is never a flood, and says what it held back."""

import logging
import os
import subprocess
import sys

from edgekit.daemon.logs import RateLimit


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("edgekit", logging.WARNING, "f", 1, message, arguments, None)


def test_a_flood_is_cut_and_counted_and_other_lines_pass() -> None:
    now = [0.0]
    limit = RateLimit(5, clock_s=lambda: now[0])
    passed = [limit.filter(record("refused %s", n)) for n in range(100)]
    assert passed == [True] * 5 + [False] * 95
    assert limit.filter(record("another"))
    now[0] = 60.0
    late = record("refused %s", 100)
    assert limit.filter(late)
    assert late.getMessage() == "refused 100 (and 95 lines like it before)"


def test_many_kinds_of_line_take_bounded_memory() -> None:
    limit = RateLimit(1)
    for number in range(10_000):
        limit.filter(record(f"kind {number}"))
    assert len(limit._kinds) <= 256


def test_the_journal_gets_a_priority_on_every_line() -> None:
    code = (
        "import logging; from edgekit.daemon.logs import set_up_logging; set_up_logging()\n"
        "logging.getLogger('edgekit').error('two\\nlines'); logging.getLogger('edgekit').info('x')"
    )
    environ = {**os.environ, "JOURNAL_STREAM": "8:1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stderr.splitlines() == [
        "<3>edgekitd: ERROR: two",
        "<3>lines",
        "<6>edgekitd: INFO: x",
    ]
