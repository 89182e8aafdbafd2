import math

import numpy as np
import pytest

from edgekit.bridge import packets as p
from edgekit.bridge.happenings import Arrived, Closed
from edgekit.bridge.host import Host, Misfit, Samples, Scored
from edgekit.bridge.simulator import SENSORS, Simulated, Simulator

MS = 1_000_000
START_NS = 5_000_000_000_000


class Bench:
    """A host and a simulated device, with a clock of their own."""

    def __init__(self, simulator: Simulator, *, delay_steps: int = 0) -> None:
        self.now_ns = START_NS
        self.host = Host(
            nonce=9,
            baud=115_200,
            clock_ns=lambda: self.now_ns,
            time_ns=lambda: self.now_ns + 10**18,
        )
        self.simulator = simulator
        self.found: list[object] = []
        self.on_the_way = [b""] * delay_steps

    def run(self, seconds: float, step_ms: float = 1) -> None:
        for _ in range(round(seconds * 1000 / step_ms)):
            self.now_ns += round(step_ms * MS)
            self.found += self.host.tick(self.now_ns)
            self.on_the_way.append(self.simulator.step(self.host.link.take(), self.now_ns))
            self.found += self.host.feed(self.on_the_way.pop(0), self.now_ns)

    def of(self, kind: type) -> list:
        return [one for one in self.found if isinstance(one, kind)]


def ramp(seconds: np.ndarray, is_wrong: bool) -> np.ndarray:
    """A value that says when it was taken by the device's clock, in ms."""
    return (seconds * 1000)[:, None]


def test_samples_come_without_loss_in_their_unit_and_at_their_true_times() -> None:
    sensor = p.Sensor("ramp", "ms", 2 * MS, "<i4", scale=0.001)
    device = Simulator([Simulated(sensor, ramp)], offset_us=123_456_789, drift_ppm=80)
    bench = Bench(device, delay_steps=3)
    bench.run(90)
    batches = bench.of(Samples)
    values = np.concatenate([one.values[:, 0] for one in batches])
    times = np.concatenate([one.taken_ns for one in batches])
    assert np.allclose(np.diff(values), 2.0, atol=0.0011)  # none missing, none twice
    true_ns = START_NS + 1 * MS + (values * 1000 - 123_456_789) * 1000 / (1 + 80e-6)
    late = times >= START_NS + 80_000 * MS
    assert np.abs(times[late] - true_ns[late]).max() < 3 * MS  # half of a way of three steps
    assert bench.host.clock.drift_ppm == pytest.approx(-80, abs=40)


def test_scores_of_the_devices_model_come_with_its_name_and_threshold() -> None:
    device = Simulator(SENSORS)
    bench = Bench(device)
    bench.run(2.5)
    device.trouble("anomaly", 2, bench.now_ns)
    bench.run(2.0)
    scored = bench.of(Scored)
    assert [one.model.name for one in scored] == ["rms"] * 4
    below, above = [one.scores.scores[0] for one in scored[:2]], scored[-1].scores
    assert max(below) < 1.0 < above.scores[0]
    assert above.threshold == 1.0


def test_a_period_that_is_set_changes_what_comes() -> None:
    device = Simulator([SENSORS[0]])
    bench = Bench(device)
    bench.run(1)
    bench.host.link.send_surely(p.Config({0: 100 * MS}))
    bench.run(0.2)
    before = sum(len(one.values) for one in bench.of(Samples))
    bench.run(2)
    after = sum(len(one.values) for one in bench.of(Samples))
    assert after - before == pytest.approx(20, abs=1)
    assert bench.host.device.sensors[0].period_ns == 100 * MS


def opened() -> Bench:
    bench = Bench(Simulator(SENSORS))
    bench.run(0.2)
    bench.found.clear()
    return bench


def told(bench: Bench, packet: p.Packet) -> list[object]:
    bench.simulator.link.send(packet)
    return list(bench.host.feed(bench.simulator.link.take(), bench.now_ns))


@pytest.mark.parametrize(
    "packet",
    [
        p.Data(9, 5, b"\0\0"),
        p.Data(0, 5, b"\0\0\0"),
        p.Data(0, 5, b"\0\0\0\0", b"123"),
        p.Scores(3, 5, (1.0,)),
        p.Scores(0, 5, (math.nan,)),
        p.Scores(0, 5, (1.0,), threshold=math.inf),
    ],
)
def test_what_does_not_fit_the_tables_is_told_and_not_delivered(packet: p.Packet) -> None:
    found = told(opened(), packet)
    assert [type(one) for one in found] == [Misfit, Arrived]


def test_samples_of_another_time_than_now_are_not_delivered() -> None:
    bench = opened()
    told(bench, p.Heartbeat(2**63))
    found = told(bench, p.Data(0, 5, bytes(2), 2**42))
    assert isinstance(found[0], Samples | Misfit)
    steps = b"\xff\xff\xff\xff" * 2
    assert isinstance(told(bench, p.Data(0, 5, bytes(6), steps))[0], Misfit)


def test_a_scale_that_is_no_number_is_told() -> None:
    sensor = p.Sensor("odd", "", 10 * MS, scale=math.nan)
    bench = Bench(Simulator([Simulated(p.Sensor("odd", "", 10 * MS), ramp)]))
    bench.simulator._all = [Simulated(sensor, lambda seconds, wrong: seconds[:, None] * 0)]
    bench.run(0.03)
    found = told(bench, p.Data(0, 5, bytes(2)))
    assert isinstance(found[0], Misfit)
    assert "finite" in found[0].reason


def test_a_device_that_falls_silent_is_closed() -> None:
    bench = opened()
    bench.simulator.trouble("silence", 30, bench.now_ns)
    bench.run(6)
    assert bench.of(Closed)
    assert bench.host.device is None
