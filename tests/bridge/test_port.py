"""Ports over real pseudo-terminals, with a simulated microcontroller behind them."""

import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.framing import WHOLE, Frame, encode_frame
from edgekit.bridge.happenings import Introduced, Opened
from edgekit.bridge.host import Samples, Scored
from edgekit.bridge.listening import Gone
from edgekit.bridge.pipe import found_port, open_port
from edgekit.bridge.port import Port
from edgekit.bridge.ports import Ports
from edgekit.bridge.pty_port import PtyPort
from edgekit.bridge.simulator import SENSORS, Simulator
from edgekit.bridge.writing import payload_of
from edgekit.errors import InputError, Unavailable

PATIENCE_S = 20.0


class Ear:
    """Hears a port, one happening at a time."""

    def __init__(self) -> None:
        self.heard: queue.Queue[object] = queue.Queue()

    def hear(self, happening: object) -> None:
        self.heard.put(happening)

    def next(self, kind: type) -> object:
        while True:
            try:
                found = self.heard.get(timeout=PATIENCE_S)
            except queue.Empty:
                pytest.fail(f"heard no {kind.__name__}")
            if isinstance(found, kind):
                return found


def quick() -> Iterator[float]:
    while True:
        yield 0.05


@pytest.fixture
def mcu(tmp_path: Path) -> Iterator[PtyPort]:
    with PtyPort(Simulator(SENSORS, seed=1), tmp_path / "mcu") as running:
        yield running


@contextmanager
def heard(port: Port) -> Iterator[Ear]:
    ear = Ear()
    with port.using(ear):
        ear.next(Opened)
        yield ear


def test_samples_and_scores_come_and_the_clock_gets_in_step(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port) as ear:
        sensors = {ear.next(Samples).sensor for _ in range(9)}
        assert sensors == {one.sensor for one in SENSORS}
        assert ear.next(Scored).device.name == "simulated"
        assert port.state == "open"
        assert port.host is not None
        assert port.host.clock.rtt_us is not None
    assert port.state == "closed"
    assert port.samples > 100
    assert port.counts.rx_errors == 0


def test_a_command_is_answered_from_another_thread(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port):
        argument = {"a": [1, -2.5, None, b"\0"]}
        assert port.command("ping", argument, timeout_s=PATIENCE_S).value == argument
        refusal = port.command("dance", 1, timeout_s=PATIENCE_S)
        assert (refusal.status, refusal.value) == (1, "no command 'dance'")
        with pytest.raises(InputError, match="does not know it"):
            port.configure({9: 5}, timeout_s=PATIENCE_S)
        with pytest.raises(InputError, match="cannot be sent"):
            port.command("ping", 2**70, timeout_s=PATIENCE_S)
        with pytest.raises(InputError, match="longer than 32"):
            port.command("p" * 33, timeout_s=PATIENCE_S)
    with pytest.raises(Unavailable):
        port.command("ping", timeout_s=0.1)


def test_a_plug_that_is_pulled_in_mid_packet_and_put_back_is_noticed_both_times(
    mcu: PtyPort,
) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port) as ear:
        ear.next(Samples)
        mcu.unplug()
        gone = ear.next(Gone)
        assert gone.is_broken
        with pytest.raises(Unavailable):
            port.command("ping", timeout_s=PATIENCE_S)
        mcu.plug()
        ear.next(Opened)
        ear.next(Samples)
        assert port.reopened == 1
        assert port.counts.sessions == 2


def test_many_may_share_a_port_and_the_last_to_leave_closes_it(mcu: PtyPort) -> None:
    ports = Ports()
    port = ports.get(str(mcu.path))
    assert ports.get(str(mcu.path), name="pump") is port
    assert ports.all == {"pump": port}
    with heard(port):
        with heard(port) as second:
            second.next(Samples)
        assert port.state == "open"
    with pytest.raises(InputError, match="115200 baud already"):
        ports.get(str(mcu.path), baud=9600)
    del port
    assert ports.all == {}


def test_a_port_that_is_open_already_is_not_opened_by_others(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port), pytest.raises(Unavailable, match="another program"):
        open_port(str(mcu.path))


def test_nothing_plugged_in_is_said_at_once_and_waited_for_by_the_patient(tmp_path: Path) -> None:
    path = tmp_path / "mcu"
    port = Port(str(path), backoff=quick)
    with pytest.raises(Unavailable, match="nothing is plugged in"), port.using(Ear()):
        pass
    ear = Ear()
    with port.using(ear, is_patient=True):
        ear.next(Gone)
        with PtyPort(Simulator(SENSORS), path):
            ear.next(Opened)


def test_a_pattern_stands_for_the_one_port_that_fits(tmp_path: Path) -> None:
    pattern = str(tmp_path / "usb-*")
    with pytest.raises(Unavailable, match="nothing is plugged in that fits"):
        found_port(pattern)
    (tmp_path / "usb-Arduino_1").touch()
    assert found_port(pattern) == str(tmp_path / "usb-Arduino_1")
    (tmp_path / "usb-Arduino_2").touch()
    with pytest.raises(Unavailable, match="fits several"):
        found_port(pattern)


def test_a_wished_rate_is_asked_for_and_the_highest_wins(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    one, other = Ear(), Ear()
    port.wish(one, {"vibration": 50_000_000})
    with heard(port) as ear:
        until_period(ear, 50_000_000)
        port.wish(other, {"vibration": 20_000_000})
        until_period(ear, 20_000_000)


def until_period(ear: Ear, period_ns: int) -> None:
    while ear.next(Samples).sensor.period_ns != period_ns:
        pass


def test_noise_on_the_line_is_counted_and_told_as_gaps(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port) as ear:
        ear.next(Samples)
        port.command("corrupt", 0.002, timeout_s=PATIENCE_S)
        gone = ear.next(Gone)
        assert "lost on the line" in gone.reason
        assert not gone.is_broken
        assert port.counts.rx_errors > 0
        assert port.counts.resyncs > 0


def test_a_flood_takes_no_memory_and_ends(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port) as ear:
        port.command("flood", 0.5, timeout_s=PATIENCE_S)
        floods = port.counts.rx_frames
        while port.counts.rx_frames < floods + 500:
            ear.next(Samples)
        assert port.counts.rx_high_water <= 511
        assert port.command("ping", 1, timeout_s=PATIENCE_S).value == 1


def test_a_device_that_restarts_opens_a_new_session(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    with heard(port) as ear:
        port.command("reboot", timeout_s=PATIENCE_S)
        assert ear.next(Opened).is_new
        assert np.isfinite(ear.next(Samples).values).all()


def test_a_device_that_is_not_one_of_ours_is_given_up_after_a_while(tmp_path: Path) -> None:
    """A modem, say: it talks, but not this."""

    class Chatter:
        def __init__(self) -> None:
            self.asked = threading.Event()

        def read(self, timeout_s: float) -> bytes:
            return b"AT OK\r\n" * 10

        def write(self, data: bytes) -> None:
            if data:
                self.asked.set()

        def wake(self) -> None:
            pass

        def close(self) -> None:
            pass

    now = iter(range(0, 10**15, 20_000_000))
    port = Port("modem", opener=lambda port, baud: Chatter(), clock_ns=lambda: next(now))
    ear = Ear()
    with port.using(ear, is_patient=True):
        gone = ear.next(Gone)
    assert "no device has answered for 15 s" in gone.reason


def test_settings_that_wait_are_ended_when_the_port_is_left(mcu: PtyPort) -> None:
    port = Port(str(mcu.path), backoff=quick)
    errors: list[str] = []
    answered = threading.Event()

    def ask() -> None:
        try:
            while True:  # until the silence has begun
                port.command("ping", timeout_s=PATIENCE_S)
                answered.set()
        except Unavailable as error:
            errors.append(str(error))

    with heard(port):
        port.command("silence", 30, timeout_s=PATIENCE_S)
        asking = threading.Thread(target=ask)
        asking.start()
        while answered.wait(0.5):
            answered.clear()
    asking.join(PATIENCE_S)
    assert not asking.is_alive()
    assert "the port was closed" in errors[0]


class Script:
    """A pipe from which a device says one thing after another, 100 ms apart."""

    def __init__(self, *told: bytes) -> None:
        self.told = list(told)
        self.now_ns = 10**12
        self.is_over = threading.Event()
        self._bell = threading.Event()

    def read(self, timeout_s: float) -> bytes:
        if self.told:
            self.now_ns += 100_000_000
            return self.told.pop(0)
        self.is_over.set()
        self._bell.wait(0.01)
        return b""

    def write(self, data: bytes) -> None: ...

    def wake(self) -> None:
        self._bell.set()

    def close(self) -> None: ...


def hello(number: int, nonce: int, *sensors: str) -> bytes:
    tables = p.Device(1, "fickle", "f", "1", tuple(p.Sensor(name, "", 10**6) for name in sensors))
    session = p.Session(nonce=nonce, heard=HOST, is_open=True)
    return encode_frame(Frame(1, WHOLE, number, payload_of(p.Hello(session, tables))))


HOST = 77


def scripted(script: Script) -> Port:
    return Port(
        "script",
        opener=lambda port, baud: script,
        clock_ns=lambda: script.now_ns,
        nonce=lambda: HOST,
    )


def test_a_device_that_starts_anew_all_the_time_fills_no_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script(*(hello(number, number + 1000, "a") for number in range(200)))
    port = scripted(script)
    with caplog.at_level(logging.INFO), port.using(Ear()):
        assert script.is_over.wait(PATIENCE_S)
    assert port.counts.sessions == 200
    assert sum("fickle runs f 1" in one.message for one in caplog.records) == 30


def test_listeners_hear_of_tables_that_change_in_mid_session() -> None:
    script = Script(hello(0, 5, "a"), hello(1, 5, "b", "a"))
    with heard(scripted(script)) as ear:
        changed = ear.next(Introduced).hello.device
        assert [one.name for one in changed.sensors] == ["b", "a"]
