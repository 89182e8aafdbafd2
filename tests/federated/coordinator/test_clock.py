"""The clock of rounds."""

from edgekit.federated.coordinator.clock import steady


def test_a_clock_that_is_set_moves_no_deadline() -> None:
    wall, passed = [1_000.0], [5.0]
    clock = steady(lambda: wall[0], lambda: passed[0])
    assert clock() == 1_000.0
    wall[0], passed[0] = 90_000.0, 7.0
    assert clock() == 1_002.0
