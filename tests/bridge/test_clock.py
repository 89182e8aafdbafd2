import random

import pytest

from edgekit.bridge.clock import ClockSync, DeviceClock, Exchange

S = 1_000_000_000
MS = 1_000_000


class Crystal:
    """A device's clock, and a way there and back that takes a while."""

    def __init__(self, *, offset_ns: int, ppm: float, seed: int = 1) -> None:
        self.offset_ns = offset_ns
        self.speed = 1 + ppm * 1e-6
        self.rng = random.Random(seed)

    def at(self, host_ns: int) -> int:
        return round(host_ns * self.speed) + self.offset_ns

    def asked(self, sent_ns: int, *, wait_ms: float = 0.0, there_ms: float = 0.2) -> Exchange:
        """An exchange whose two ways each wait for a random while."""
        there = round((there_ms + self.rng.expovariate(1) * wait_ms) * MS)
        back = round((there_ms + self.rng.expovariate(1) * wait_ms) * MS)
        had = sent_ns + there
        return Exchange(sent_ns, self.at(had), self.at(had + 2 * MS), had + 2 * MS + back)


def exchanges(clock: ClockSync, crystal: Crystal, seconds: int, *, wait_ms: float) -> int:
    start = 1_000 * S
    for at_s in range(0, seconds, 10):
        clock.add(crystal.asked(start + at_s * S, wait_ms=wait_ms))
    return start + seconds * S


@pytest.mark.parametrize("ppm", [-180.0, 0.0, 50.0])
@pytest.mark.parametrize("seed", range(4))
def test_offset_and_drift_are_found_under_jitter(ppm: float, seed: int) -> None:
    clock, crystal = ClockSync(), Crystal(offset_ns=-5_000 * S, ppm=ppm, seed=seed)
    end_ns = exchanges(clock, crystal, 600, wait_ms=1.0)
    error_ms = (clock.host_ns(crystal.at(end_ns)) - end_ns) / MS
    assert abs(error_ms) < 0.5
    assert clock.drift_ppm == pytest.approx(-ppm, abs=4)
    assert clock.is_steady


def test_the_first_answer_is_believed_within_half_its_round_trip() -> None:
    clock, crystal = ClockSync(), Crystal(offset_ns=3 * S, ppm=0)
    exchange = crystal.asked(10 * S, wait_ms=5.0)
    clock.add(exchange)
    error = abs(clock.host_ns(crystal.at(20 * S)) - 20 * S)
    assert error <= exchange.rtt_ns / 2
    assert clock.drift_ppm is None


def test_a_question_that_waited_long_changes_little() -> None:
    clock, crystal = ClockSync(), Crystal(offset_ns=3 * S, ppm=0)
    for number in range(4):
        clock.add(crystal.asked((10 + number) * S))
    clock.add(
        Exchange(20 * S, crystal.at(20 * S + 900 * MS), crystal.at(20 * S + 900 * MS), 21 * S)
    )
    assert abs(clock.host_ns(crystal.at(30 * S)) - 30 * S) < MS


def test_a_clock_that_jumped_is_believed_after_three_answers() -> None:
    clock, crystal = ClockSync(), Crystal(offset_ns=3 * S, ppm=20)
    end_ns = exchanges(clock, crystal, 300, wait_ms=0.1)
    crystal.offset_ns += 40 * S
    errors = []
    for number in range(4):
        at_ns = end_ns + number * 10 * S
        clock.add(crystal.asked(at_ns))
        errors.append(abs(clock.host_ns(crystal.at(at_ns)) - at_ns))
    assert errors[0] > 39 * S
    assert errors[2] < 2 * MS
    assert errors[3] < 2 * MS


def test_a_clock_without_a_crystal_is_told_of_and_followed_all_the_same() -> None:
    clock, crystal = ClockSync(), Crystal(offset_ns=0, ppm=8_000)
    end_ns = exchanges(clock, crystal, 200, wait_ms=0.1)
    assert not clock.is_steady
    assert clock.drift_ppm == pytest.approx(-8_000, rel=0.02)
    assert abs(clock.host_ns(crystal.at(end_ns)) - end_ns) < 2 * MS


def test_the_time_on_the_line_is_reckoned_with_where_there_is_one() -> None:
    """An answer longer than its question comes later than half of the way says."""
    question, answer = 2 * MS, 6 * MS
    clock = ClockSync()
    clock.add(Exchange(0, 2 * MS, 2 * MS, 8 * MS, question, answer))
    assert clock.host_ns(2 * MS) == 2 * MS
    assert clock.rtt_us == 0


def test_over_usb_the_baud_rate_means_nothing() -> None:
    clock = ClockSync()
    clock.add(Exchange(0, 100_000, 100_000, 200_000, 2 * MS, 6 * MS))
    assert clock.host_ns(100_000) == 100_000
    assert clock.rtt_us == 200


def test_an_answer_from_before_its_question_is_passed_over() -> None:
    clock = ClockSync()
    clock.add(Exchange(10, 0, 5, 0))
    clock.add(Exchange(0, 9, 5, 100))
    assert not clock.is_known


def test_low_bits_find_their_place_around_the_newest_whole_time() -> None:
    clock = DeviceClock()
    for newest in (5, 2**32 - 3, 2**32 + 1, 7 * 2**32 + 2**31):
        clock.hear(newest)
        for true_us in (newest, max(0, newest - 70_000_000), newest + 70_000_000):
            assert clock.whole_us(true_us % 2**32) == true_us
