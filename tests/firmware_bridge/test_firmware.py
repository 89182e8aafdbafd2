"""The example firmware on an emulated Cortex-M, spoken to by the board's own end of the bridge."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.bridge.happenings import Opened
from edgekit.bridge.host import Samples, Scored
from edgekit.bridge.listening import Gone
from edgekit.bridge.port import Port
from edgekit.convert.c.export import tflite_of
from edgekit.convert.c.lookup import giving, run_all
from edgekit.convert.c.model import lower_model
from edgekit.errors import InputError
from tests.firmware_bridge.conftest import Example
from tools.firmware.emulator import Emulator, run_to_end
from tools.firmware.vibration import RATE_HZ, Vibration

PATIENCE_S = 30.0
TIMEOUT_S = 10.0
KILLS = int(os.environ.get("EDGEKIT_KILLS", "2"))
"""How often QEMU is killed; `make firmware` says more."""


class Heard:
    """What a port's listener hears, and a way to wait for it."""

    def __init__(self) -> None:
        self.samples: list[Samples] = []
        self.earlier: list[list[Samples]] = []
        self.scores: list[Scored] = []
        self._changed = threading.Condition()

    def hear(self, happening: Samples | Scored | Gone | Opened) -> None:
        with self._changed:
            match happening:
                case Samples():
                    self.samples.append(happening)
                case Scored():
                    self.scores.append(happening)
                case Opened():
                    self.earlier.append(self.samples)
                    self.samples = []
                case _:
                    pass
            self._changed.notify_all()

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, PATIENCE_S):
                pytest.fail(f"{what} never came")

    def forget(self) -> None:
        with self._changed:
            self.samples.clear()
            self.scores.clear()

    def rows(self) -> Array:
        """All samples of this session, `[instants, 3]`."""
        return values_of(self.samples)

    def wait_for_session(self, number: int) -> None:
        self.wait(lambda: len(self.earlier) >= number, f"session {number}")

    def wait_for_rows(self, count: int) -> None:
        self.wait(lambda: sum(len(one.values) for one in self.samples) >= count, f"{count} rows")


def values_of(samples: list[Samples]) -> Array:
    return np.concatenate([one.values for one in samples])


@contextmanager
def listening(emulator: Emulator, *, rate_hz: int | None = None) -> Iterator[tuple[Port, Heard]]:
    """A port to the firmware, once it has given a score."""
    port, heard = Port(str(emulator.port), name="mps2"), Heard()
    if rate_hz is not None:
        port.wish(heard, {"accel": 10**9 // rate_hz})
    with port.using(heard):
        heard.wait(lambda: bool(heard.scores), "a score")
        yield port, heard


def place_of(rows: Array, signal: Array) -> int:
    """Where in the signal the rows begin; fails where they are not a stretch of it."""
    places = np.flatnonzero((signal == rows[0]).all(axis=1))
    for place in places.tolist():
        if np.array_equal(signal[place : place + len(rows)], rows):
            return place
    pytest.fail("the rows are no stretch of the signal")


def test_samples_on_the_line_are_the_signal_s_own_each_millisecond(emulator: Emulator) -> None:
    with listening(emulator, rate_hz=RATE_HZ) as (port, heard):
        heard.wait_for_rows(1200)
        rows = heard.rows()[:1200]
        place_of(rows, Vibration().rows(RATE_HZ * int(PATIENCE_S)))
        for batch in heard.samples:
            assert np.diff(batch.taken_ns).tolist() == [10**6] * (len(batch.values) - 1)
        counted = port.command("statistics", timeout_s=TIMEOUT_S).value
        assert port.counts.rx_errors == port.counts.rx_lost == 0
    assert counted["windows"] == (counted["samples"] - 16) // 16
    assert counted["uart_overruns"] == counted["ring_overruns"] == counted["dropped"] == 0
    assert 0 < counted["stack_bytes"] < 1024


def test_a_slower_rate_is_every_so_many_of_the_same_samples(emulator: Emulator) -> None:
    with listening(emulator, rate_hz=100) as (_, heard):
        heard.wait_for_rows(100)
        place_of(heard.rows()[:100], Vibration().rows(RATE_HZ * int(PATIENCE_S))[::10])


def test_the_model_gives_litert_s_integers_on_the_machine(
    example: Example, emulator: Emulator
) -> None:
    data = tflite_of(example.bundle)
    model = lower_model(data, example.bundle.manifest)
    windows = Vibration(noise=99, fault_left=2000).rows(32 * 64).reshape(64, 1, 32, 3)
    sizes = np.geomspace(0.05, 20, 64).reshape(64, 1, 1, 1)
    asked = (windows * sizes).astype(np.float32)
    tensors = (model.entry.target, model.answer.target)
    integers, wanted = run_all(giving(data, tensors), asked)
    with listening(emulator) as (port, _):
        told = port.command("selftest", timeout_s=TIMEOUT_S)
        assert told.value["wrong"] == 0
        assert told.value["vectors"] > 0
        for given, answer in zip(integers, wanted, strict=True):
            found = port.command("infer", given.tobytes(), timeout_s=TIMEOUT_S).value
            assert found == answer.tobytes()
        assert port.command("infer", b"short", timeout_s=TIMEOUT_S).status == 1


def test_settings_are_followed_or_refused(emulator: Emulator) -> None:
    with listening(emulator) as (port, heard):
        port.configure({}, {"threshold": 0.5, "report_ms": 20}, timeout_s=TIMEOUT_S)
        heard.forget()
        heard.wait(lambda: any(one.scores.threshold == 0.5 for one in heard.scores), "0.5")
        for settings in ({"threshold": -1.0}, {"report_ms": 1}, {"scores": 1}, {"colour": "red"}):
            with pytest.raises(InputError):
                port.configure({}, settings, timeout_s=TIMEOUT_S)
        for periods in ({0: 1_500_000}, {1: 1_000_000}, {0: 10**10}):
            with pytest.raises(InputError):
                port.configure(periods, timeout_s=TIMEOUT_S)
        port.configure({}, {"fault_every_s": 1}, timeout_s=TIMEOUT_S)
        heard.wait(lambda: heard.scores[-1].scores.scores[0] > 0.2, "a fault on schedule")


def test_a_packet_that_a_restart_cuts_short_costs_that_packet_alone(emulator: Emulator) -> None:
    with listening(emulator, rate_hz=RATE_HZ) as (port, heard):
        heard.wait_for_rows(100)
        assert port.command("restart", 450, timeout_s=TIMEOUT_S).status == 0
        heard.wait_for_session(2)
        heard.wait_for_rows(300)
        assert place_of(heard.rows()[:300], Vibration().rows(20_000)) < 10_000
        assert (port.counts.rx_errors, port.counts.resyncs, port.reopened) == (1, 1, 0)


def test_a_machine_killed_at_any_moment_comes_back_and_no_sample_is_ever_wrong(
    emulator: Emulator,
) -> None:
    signal = Vibration().rows(RATE_HZ * int(PATIENCE_S))
    with listening(emulator, rate_hz=RATE_HZ) as (port, heard):
        for number in range(KILLS):
            heard.wait_for_rows(200 + 37 * number % 50)
            emulator.kill()
            emulator.start()
            heard.wait_for_session(number + 2)
        heard.wait_for_rows(200)
        for samples in (*heard.earlier[1:], heard.samples):
            place_of(values_of(samples), signal)
        assert (port.reopened, port.counts.rx_dropped) == (KILLS, 0)


def test_model_and_bridge_cost_few_instructions_and_little_ram(example: Example) -> None:
    said = run_to_end(example.machine, example.counting.elf, shift=5)
    counted = {name: int(ticks) * 40 / 32 / int(times)
               for name, ticks, times in map(str.split, said.splitlines())}  # fmt: skip
    assert counted["network"] < 10 * 6752  # instructions a multiply-add
    assert counted["streamed"] < 500  # a sample of three axes
    assert counted["fed"] < 120  # a byte from the host
    assert example.firmware.ram["bridge library"] < 1600  # with buffers for the longest frames
    assert example.firmware.ram["model"] < 1200
    assert example.firmware.ram.total() < 6000
    assert example.firmware.flash["bridge library"] < 6000


def test_the_firmware_calls_no_heap(example: Example) -> None:
    text = example.firmware.elf.with_suffix(".map").read_text()
    assert "board_stack_used" in text
    assert "malloc" not in text
    assert "sbrk" not in text
