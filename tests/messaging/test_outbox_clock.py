"""Messages age over power cuts, and a wrong clock never ages them early."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.messaging.outbox_clock import ClockState, OutboxClock

_DAY_S = 86400.0


@dataclass
class _World:
    """True time, and what a board's clocks make of it."""

    true_s: float = 1_700_000_000.0
    wrong_by_s: float = 0.0
    is_trusted: bool = True
    booted_s: float = 1_700_000_000.0

    def boot(self, state: ClockState, next_id: int, *, off_s: float = 0.0) -> OutboxClock:
        self.true_s += off_s
        self.booted_s = self.true_s
        return OutboxClock(
            state,
            next_id=next_id,
            running_s=lambda: self.true_s - self.booted_s,
            wall_s=lambda: self.true_s + self.wrong_by_s,
            is_trusted=lambda: self.is_trusted,
        )


def test_a_message_ages_while_the_board_runs() -> None:
    world = _World()
    clock = world.boot(ClockState(), 1)
    expires_s = clock.now_s() + 10
    assert not clock.has_expired(1, expires_s)
    world.true_s += 10
    assert clock.has_expired(1, expires_s)


def test_time_off_counts_for_what_was_stored_before_it_and_not_after() -> None:
    world = _World()
    clock = world.boot(ClockState(), 1)
    old_s = clock.now_s() + _DAY_S
    clock = world.boot(clock.look(oldest_id=1), 2, off_s=2 * _DAY_S)
    new_s = clock.now_s() + _DAY_S
    assert not clock.has_expired(1, old_s)  # before the clock was looked at
    clock.look(oldest_id=1)
    assert clock.has_expired(1, old_s)
    assert not clock.has_expired(2, new_s)


def test_a_clock_that_steps_while_the_board_runs_ages_nothing() -> None:
    world = _World()
    clock = world.boot(ClockState(), 1)
    clock.look(oldest_id=1)
    expires_s = clock.now_s() + _DAY_S
    for wrong_by_s in (1e9, -1e9, 0.0):
        world.wrong_by_s = wrong_by_s
        clock.look(oldest_id=1)
        assert not clock.has_expired(1, expires_s)


def test_a_clock_that_was_never_right_ages_nothing_while_off() -> None:
    world = _World(wrong_by_s=-1e9, is_trusted=False)
    clock = world.boot(ClockState(), 1)
    expires_s = clock.now_s() + _DAY_S
    clock = world.boot(clock.look(oldest_id=1), 2, off_s=60.0)
    world.wrong_by_s, world.is_trusted = 0.0, True  # the network is there at last
    clock.look(oldest_id=1)
    assert not clock.has_expired(1, expires_s)


def test_a_run_without_a_right_clock_between_two_with_one_is_bridged() -> None:
    world = _World()
    clock = world.boot(ClockState(), 1)
    first_s = clock.now_s() + _DAY_S
    state = clock.look(oldest_id=1)
    world.is_trusted, world.wrong_by_s = False, -1e6
    clock = world.boot(state, 2, off_s=_DAY_S)
    second_s = clock.now_s() + 3 * _DAY_S
    state = clock.look(oldest_id=1)
    world.is_trusted, world.wrong_by_s = True, 0.0
    clock = world.boot(state, 3, off_s=_DAY_S)
    state = clock.look(oldest_id=1)
    assert clock.has_expired(1, first_s)
    assert not clock.has_expired(2, second_s)
    assert clock.look(oldest_id=2).gaps == ()  # what no message was stored before is forgotten


_phases = st.lists(
    st.tuples(
        st.floats(0, 3 * _DAY_S),  # runs for
        st.floats(0, 3 * _DAY_S),  # is off for
        st.booleans(),  # has a right clock
        st.floats(-1e9, 1e9),  # by how much it is wrong else
    ),
    min_size=1,
    max_size=6,
)


@given(_phases, st.floats(1, 5 * _DAY_S))
@settings(deadline=None)
def test_no_message_ever_expires_early(
    phases: list[tuple[float, float, bool, float]], life_s: float
) -> None:
    world, state = _World(), ClockState()
    stored: list[tuple[float, float]] = []
    off_s = 0.0
    for runs_s, next_off_s, is_right, wrong_by_s in phases:
        world.is_trusted, world.wrong_by_s = is_right, 0.0 if is_right else wrong_by_s
        clock = world.boot(state, len(stored) + 1, off_s=off_s)
        stored.append((world.true_s, clock.now_s() + life_s))
        for _ in range(2):
            world.true_s += runs_s / 2
            state = clock.look(oldest_id=1)
            for place, (stored_s, expires_s) in enumerate(stored):
                if clock.has_expired(place + 1, expires_s):
                    assert world.true_s - stored_s >= life_s - 1.0
        off_s = next_off_s
