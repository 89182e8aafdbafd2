"""The lowest cap holds, and heat takes its share."""

import math

from edgekit.daemon.rates import RateControl


class Told:
    def __init__(self) -> None:
        self.hz: list[float | None] = []

    def set_rate(self, hz: float | None) -> None:
        self.hz.append(hz)


class Board:
    now, taken = 0.0, 0

    def runs(self, seconds: float, hz: float) -> None:
        self.now += seconds
        self.taken += round(seconds * hz)


def control(board: Board, told: Told, configured_hz: float | None) -> RateControl:
    return RateControl(
        told,
        configured_hz=configured_hz,
        taken=lambda: board.taken,
        clock_s=lambda: board.now,
    )


def test_the_lowest_cap_holds_and_a_wish_can_be_taken_back() -> None:
    told = Told()
    rates = control(Board(), told, 10.0)
    rates.wish("twin", 5.0)
    rates.wish("command", 20.0)
    rates.wish("twin", None)
    rates.wish("twin", None)
    assert told.hz == [10.0, 5.0, 10.0]


def test_heat_slows_an_uncapped_pipeline_from_the_rate_it_was_seen_at() -> None:
    board, told = Board(), Told()
    rates = control(board, told, None)
    for _ in range(3):
        board.runs(10.0, hz=30.0)
        rates.scale(1.0)
    board.runs(10.0, hz=30.0)
    rates.scale(0.5)
    board.runs(10.0, hz=15.0)
    rates.scale(0.25)  # a quarter of 30, not of the 15 it has now
    rates.scale(1.0)
    assert told.hz == [15.0, 7.5, None]


def test_a_pipeline_that_gave_nothing_yet_is_not_slowed_to_nothing() -> None:
    board, told = Board(), Told()
    rates = control(board, told, None)
    board.now = 10.0
    rates.scale(0.5)
    assert told.hz == []
    assert rates.hz is None
    assert math.isinf(rates._seen_hz)


def test_a_pipeline_that_gives_its_first_samples_on_a_hot_board_is_slowed_all_the_same() -> None:
    board, told = Board(), Told()
    rates = control(board, told, None)
    board.now = 10.0
    rates.scale(0.5)
    board.runs(10.0, hz=30.0)
    rates.scale(0.5)
    board.runs(10.0, hz=15.0)
    rates.scale(0.5)
    assert told.hz == [15.0]
