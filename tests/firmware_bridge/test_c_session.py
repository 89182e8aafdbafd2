"""A device of the C library and the daemon's host in one session, over a line with noise too."""

import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.happenings import Arrived, Introduced, Opened
from edgekit.bridge.host import Host, Samples, Scored
from edgekit.bridge.noise import Noise
from edgekit.bridge.reliable import Settled
from tests.firmware_bridge.compilers import built

MS = 1_000_000
START_NS = 1_000_000_000_000
BOOTED_US = 2**32 - 5_000_000
"""The low 32 bits of the device's clock turn over after five seconds."""


class Session:
    """A host here, a C device behind a pipe, and one clock for both."""

    def __init__(self, process: "subprocess.Popen[str]", noise: Noise | None) -> None:
        self._process = process
        self._noise = noise
        self.now_ns = START_NS
        self.found: list[object] = []
        self.host = Host(
            nonce=9, clock_ns=lambda: self.now_ns, time_ns=lambda: self.now_ns + 10**18
        )

    def run(self, seconds: float) -> None:
        """A step each millisecond; everything takes one to come over."""
        for _ in range(round(seconds * 1000)):
            self.now_ns += MS
            self.found += self.host.tick(self.now_ns)
            answer = self._exchange(self._harmed(self.host.link.take()))
            self.found += self.host.feed(self._harmed(answer), self.now_ns)

    def of(self, kind: type) -> list:
        return [one for one in self.found if isinstance(one, kind)]

    def packets(self, kind: type) -> list:
        return [one.packet for one in self.of(Arrived) if isinstance(one.packet, kind)]

    def _harmed(self, data: bytes) -> bytes:
        return data if self._noise is None else self._noise.damage(data)

    def _exchange(self, data: bytes) -> bytes:
        clock_us = BOOTED_US + (self.now_ns - START_NS) // 1000
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{clock_us} {data.hex() or '-'}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().rstrip("\n")
        assert answer, "the device has ended"
        return b"" if answer == "-" else bytes.fromhex(answer)


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("ek_device", tmp_path_factory.mktemp("device"))


@pytest.fixture
def session(device: Path) -> Iterator[Callable[..., Session]]:
    processes = []

    def start(noise: Noise | None = None) -> Session:
        processes.append(
            subprocess.Popen(
                [str(device)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        )
        return Session(processes[-1], noise)

    yield start
    for process in processes:
        with process:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=20) == 0


def true_ms(batch: Samples) -> np.ndarray:
    """The device's clock that the host's stamps stand for, in milliseconds."""
    return (batch.taken_ns - START_NS) / MS + BOOTED_US / 1000


def test_samples_and_scores_arrive_whole_and_in_time(session: Callable[..., Session]) -> None:
    run = session()
    run.run(12)
    assert len(run.of(Opened)) == 1
    assert run.host.device is not None
    assert run.host.device.name == "c-device"
    batches = run.of(Samples)
    values = np.concatenate([one.values for one in batches])
    assert len(values) > 11_000
    assert (np.diff(values[:, 0]) % 2**15 == 1).all()
    assert (values[:, 1] == -values[:, 0]).all()
    for batch in batches:
        late = true_ms(batch) - batch.values[:, 0]
        off = (late + 2**14) % 2**15 - 2**14
        assert np.abs(off).max() < 2
    scores = [one.scores.scores for one in run.of(Scored)]
    assert len(scores) >= 11
    beats = run.packets(p.Heartbeat)
    assert len(beats) >= 11
    assert run.host.link.counts.rx_errors == 0


def test_commands_settings_and_long_answers_go_through(session: Callable[..., Session]) -> None:
    run = session()
    run.run(0.5)
    for number, (name, argument) in enumerate(
        [("double", 21), ("many", 700), ("later", None), ("double", "x"), ("unknown", 1)]
    ):
        assert run.host.link.send_surely(p.Command(number, name, argument)) is not None
        run.run(0.5)
    assert [(one.id, one.status) for one in run.packets(p.Response)] == [
        (0, 0), (1, 0), (2, 7), (3, -22), (4, -38),
    ]  # fmt: skip
    assert [one.value for one in run.packets(p.Response)][:2] == [42, [0] * 700]
    long = "x" * 300  # in chunks, for the device takes frames of 64 bytes
    run.host.link.send_surely(p.Command(9, "double", long))
    run.host.link.send_surely(p.Config(periods={0: 5}))
    run.host.link.send_surely(p.Config(periods={3: 0}))
    run.host.link.send_surely(p.Config(settings={"gain": 1}))
    run.host.link.send_surely(p.Config(periods={0: 0}))
    run.run(2)
    assert run.packets(p.Response)[-1].status == -22
    status = p.Status
    assert [one.status for one in run.of(Settled)][-5:] == [
        status.OK, status.REFUSED, status.UNKNOWN, status.UNKNOWN, status.OK,
    ]  # fmt: skip
    assert run.of(Introduced)[-1].hello.device.sensors[0].period_ns == 0
    before = len(run.of(Samples))
    run.run(1)
    assert len(run.of(Samples)) == before


def test_over_a_noisy_line_nothing_wrong_arrives(session: Callable[..., Session]) -> None:
    noise = Noise.of_all_kinds(0.002, random.Random(5))
    run = session(noise)
    run.run(3)
    for number in range(20):
        run.host.link.send_surely(p.Command(number, "double", number))
        run.run(0.5)
    run.run(8)
    assert noise.hits > 50
    assert run.host.link.counts.rx_errors > 20
    values = [one.values for one in run.of(Samples)]
    assert len(values) > 100
    for one in values:
        assert one.shape == (50, 2)
        assert (np.diff(one[:, 0]) % 2**15 == 1).all()
        assert (one[:, 1] == -one[:, 0]).all()
    responses = [(one.id, one.value) for one in run.packets(p.Response)]
    assert len(responses) == len(set(responses)) > 15  # none done twice
    assert all(value == 2 * number for number, value in responses)
