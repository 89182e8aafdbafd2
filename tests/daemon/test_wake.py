"""The main thread wakes for signals, however many come, and whatever it is at."""

import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.daemon.app import App, ToldToStop
from edgekit.daemon.notify import SilentNotifier
from edgekit.daemon.wake import Wake
from tests.daemon.process import rows, settings

STORM = """
import signal
from edgekit.daemon.wake import Wake
wake, heard = Wake(), []
signal.signal(signal.SIGALRM, lambda *_: (heard.append(1), wake.set()))
signal.setitimer(signal.ITIMER_REAL, 1e-5, 2e-5)
while len(heard) < 20_000:
    wake.wait(60)
signal.setitimer(signal.ITIMER_REAL, 0)
print("done")
"""
ELSEWHERE = """
import signal, threading
from edgekit.daemon.wake import Wake
wake, heard = Wake(), []
signal.signal(signal.SIGALRM, lambda *_: heard.append(1))
signal.set_wakeup_fd(wake.fileno())
other = threading.Thread(target=lambda: signal.pthread_kill(threading.get_ident(), signal.SIGALRM))
timer = threading.Timer(0.2, other.start)
timer.start()
while not heard:
    wake.wait(3600)
print("done")
"""


def test_a_storm_of_signals_never_makes_the_thread_wait_for_itself() -> None:
    run = subprocess.run(
        [sys.executable, "-c", STORM], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")


def test_a_signal_that_another_thread_was_given_wakes_too() -> None:
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")


def test_what_is_set_before_the_wait_ends_it_and_is_heard_once() -> None:
    wake = Wake()
    wake.set()
    wake.set()
    wake.wait(60)
    wake.wait(0.001)
    wake.set()
    wake.wait(60)
    wake.close()
    wake.set()


class _StopsAtTheFirst(SilentNotifier):
    """Wants the daemon to stop once the first model is about to be loaded."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.app: App | None = None

    def status(self, text: str) -> None:
        self.said.append(text)
        assert self.app is not None
        self.app.stop()


def test_a_daemon_that_is_told_to_stop_while_it_loads_loads_no_further_model(
    tmp_path: Path,
) -> None:
    pump = rows(tmp_path)
    notify = _StopsAtTheFirst()
    notify.app = app = App(settings(tmp_path, pump + pump.replace("pump", "fan")), notify=notify)
    with pytest.raises(ToldToStop):
        app.startup()
    assert app.shutdown() == 0
    assert notify.said == ["loading mean for pump"]
