"""Who takes part, and when a round is over: decided without a broker, a disk or a clock."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.federated.coordinator.buffered import Buffered
from edgekit.federated.coordinator.course import Course
from edgekit.federated.coordinator.picture import Board
from edgekit.federated.coordinator.rounds import Rounds
from edgekit.federated.coordinator.seats import (
    Abandon,
    Action,
    Combine,
    Note,
    Open,
    Reply,
    Rules,
    Standing,
    Stop,
    Summon,
)
from edgekit.federated.privacy import Budget
from edgekit.federated.strategies import FedAvg

STEP = "0123456789ab"
RULES = Rules(STEP, count=3, minimum=2, least=2, deadline_s=100, answer_s=10, grace_s=5, pause_s=1)


def board(name: str, **more: object) -> Board:
    here = Board(name, online=True, boot="b1", step=STEP, willing=True, samples=5)
    return replace(here, **more)  # type: ignore[arg-type]


def rounds(names: Iterable[str], rules: Rules = RULES, *, share: float = 1.0) -> Rounds:
    course = Rounds(rules, FedAvg(share=share).choose, Standing())
    for name in names:
        course.hear(board(name), 0.0)
    return course


def kinds(actions: Sequence[Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


def invited(actions: Sequence[Action]) -> list[str]:
    return sorted(a.seat.board for a in actions if isinstance(a, Summon))


def deliver(course: Course, name: str, now_s: float, number: int = 1) -> list[Action]:
    digest = f"{name}/{number}".encode()
    assert course.judge(name, number, digest, now_s) is None
    return course.stored(name, number, digest)


def combined(actions: Sequence[Action]) -> list[str]:
    return [name for a in actions if isinstance(a, Combine) for _, name in a.updates]


def test_a_round_waits_until_enough_boards_are_there() -> None:
    course = rounds("a")
    assert kinds(course.tick(0.0)) == ["Note"]
    assert course.tick(1.0) == []
    course.hear(board("b"), 2.0)
    actions = course.tick(2.0)
    assert kinds(actions) == ["Open", "Note", "Summon", "Summon"]
    assert invited(actions) == ["a", "b"]


def test_a_round_that_waits_says_why_boards_cannot_take_part_and_again_where_that_changes() -> None:
    course = rounds("a")
    assert [a.what for a in course.tick(0.0) if isinstance(a, Note)] == [
        "waits: 1 boards are there, 2 are needed"
    ]
    course.hear(board("b", willing=False, why="on battery"), 1.0)
    assert course.tick(2.0) == []
    (said,) = course.tick(20.0)
    assert isinstance(said, Note)
    assert said.what.endswith("; not 1 on battery")
    assert course.tick(100.0) == []


@pytest.mark.parametrize(
    "absent",
    [{"online": False}, {"willing": False}, {"step": "another"}, {"step": ""}],
    ids=["offline", "unwilling", "another step", "no part of the job"],
)
def test_boards_that_cannot_take_part_are_not_invited(absent: dict[str, object]) -> None:
    course = rounds("ab")
    course.hear(board("c", **absent), 0.0)
    assert invited(course.tick(0.0)) == ["a", "b"]


def test_more_boards_are_invited_than_are_needed_and_the_first_count() -> None:
    course = rounds("abcdefgh", replace(RULES, over=0.5), share=0.5)
    assert len(invited(course.tick(0.0))) == 6
    names = sorted(course.seats)
    for name in names[2:]:
        deliver(course, name, 1.0)
    assert course.tick(1.0) == [Combine(tuple((1, name) for name in names[2:]))]
    verdict = course.judge(names[0], 1, b"x", 1.0)
    assert verdict is not None
    assert verdict.state == "late"
    replies = course.committed(1)
    assert {(r.board, r.state) for r in replies if isinstance(r, Reply)} == {
        (names[0], "late"),
        (names[1], "late"),
    }


def test_a_board_that_never_comes_blocks_nothing_beyond_the_deadline() -> None:
    course = rounds("abc")
    course.tick(0.0)
    for name in "abc":
        course.answer(name, 1, accepts=True, why="")
    deliver(course, "a", 1.0)
    deliver(course, "b", 1.0)
    assert course.tick(99.0) == []
    assert combined(course.tick(100.0)) == ["a", "b"]
    assert [r.board for r in course.committed(1) if isinstance(r, Reply)] == ["c"]


def test_a_board_that_does_not_answer_is_replaced() -> None:
    course = rounds("abcd", share=0.5)
    first = invited(course.tick(0.0))
    assert len(first) == 2
    course.answer(first[0], 1, accepts=True, why="")
    actions = course.tick(10.0)
    assert Note(first[1], "did not answer to round 1") in actions
    assert len(invited(actions)) == 1
    assert course.seats[first[1]].state == "silent"
    deliver(course, first[1], 11.0)  # but it was only slow
    assert len(course.seats) == 3


def test_a_board_that_declines_is_replaced_and_says_why() -> None:
    course = rounds("abcd", share=0.5)
    first = invited(course.tick(0.0))
    said = course.answer(first[0], 1, accepts=False, why="on battery")
    assert said == [Note(first[0], "declined round 1: on battery")]
    assert len(invited(course.tick(1.0))) == 1


def test_a_board_that_vanishes_is_replaced_after_a_while_and_may_still_deliver() -> None:
    course = rounds("abcd", share=0.5)
    first = invited(course.tick(0.0))
    for name in first:
        course.answer(name, 1, accepts=True, why="")
    course.hear(board(first[0], online=False), 1.0)
    assert course.tick(5.9) == []
    assert len(invited(course.tick(6.0))) == 1
    assert course.hear(board(first[0]), 7.0) != []
    deliver(course, first[0], 8.0)


def test_a_round_of_those_that_are_left_ends_at_once() -> None:
    course = rounds("abc")
    course.tick(0.0)
    deliver(course, "a", 1.0)
    deliver(course, "b", 1.0)
    assert course.tick(1.0) == []
    course.answer("c", 1, accepts=False, why="hot")
    assert combined(course.tick(1.0)) == ["a", "b"]


def test_too_few_updates_void_the_attempt_which_is_tried_again_and_bounded() -> None:
    course = rounds("abc", replace(RULES, attempts=2))
    course.tick(0.0)
    deliver(course, "a", 1.0)
    actions = course.tick(100.0)
    assert Abandon(1, "1 updates came in time, 2 are needed") in actions
    assert {(r.board, r.state) for r in actions if isinstance(r, Reply)} == {
        ("b", "void"),
        ("c", "void"),
    }
    assert course.tick(100.5) == []
    again = course.tick(101.0)
    assert isinstance(again[0], Open)
    assert again[0].attempt.number == 2
    late = course.judge("b", 1, b"x", 102.0)
    assert late is not None
    assert late.state == "late"
    last = course.tick(201.0)
    assert isinstance(last[-1], Stop)
    assert last[-1].state == "stopped"
    assert "2 attempts were void" in last[-1].why


def test_the_same_update_again_counts_once_and_another_one_is_refused() -> None:
    course = rounds("ab")
    course.tick(0.0)
    deliver(course, "a", 1.0)
    again = course.judge("a", 1, b"a/1", 1.0)
    other = course.judge("a", 1, b"other", 1.0)
    assert again is not None
    assert other is not None
    assert (again.state, other.state) == ("counted", "refused")


def test_an_update_of_a_round_that_is_still_to_come_is_refused() -> None:
    course = rounds("ab")
    course.tick(0.0)
    verdict = course.judge("a", 7, b"x", 1.0)
    assert verdict is not None
    assert (verdict.state, verdict.why) == ("refused", "there was no round 7 yet")


def test_a_board_that_restarts_is_invited_again_with_what_is_left() -> None:
    course = rounds("ab")
    course.tick(0.0)
    course.answer("a", 1, accepts=True, why="")
    actions = course.hear(board("a", boot="b2"), 1.0, spoke=True)
    assert [(a.seat.board, a.new) for a in actions if isinstance(a, Summon)] == [("a", False)]
    assert course.hear(board("a", boot="b2"), 2.0, spoke=True) == []


def test_after_a_broker_was_gone_each_board_is_told_again_when_it_is_back() -> None:
    course = rounds("ab")
    course.tick(0.0)
    assert invited(course.remind_all(1.0)) == ["a", "b"]
    assert invited(course.hear(board("a"), 1.5, spoke=True)) == ["a"]


def test_a_budget_that_is_spent_ends_the_job_before_a_round_begins() -> None:
    course = Rounds(
        replace(RULES, replaces=False),
        FedAvg().choose,
        Standing(),
        budget=Budget(epsilon=1.0, delta=1e-5, noise=5.0),
    )
    for name in "abc":
        course.hear(board(name), 0.0)
    now_s, begun = 0.0, 0
    while course.stopped is None:
        for action in course.tick(now_s):
            if isinstance(action, Open):
                begun += 1
                for name in "abc":
                    deliver(course, name, now_s, action.attempt.number)
            elif isinstance(action, Combine):
                course.committed(course.version + 1)
    assert course.stopped.state == "finished"
    assert "budget of epsilon 1" in course.stopped.why
    assert begun == course.done >= 1
    assert course.budget is not None
    assert course.budget.spent().least <= 1.0


def test_a_round_that_draws_nobody_is_combined_of_nothing() -> None:
    course = Rounds(replace(RULES, replaces=False, least=0), lambda online, rng: [], Standing())
    for name in "abc":
        course.hear(board(name), 0.0)
    assert kinds(course.tick(0.0)) == ["Open", "Note"]
    assert course.tick(0.0) == [Combine(())]


def test_where_who_takes_part_is_drawn_once_nobody_is_replaced() -> None:
    course = Rounds(replace(RULES, replaces=False), lambda online, rng: ["a", "b", "c"], Standing())
    for name in "abcdef":
        course.hear(board(name), 0.0)
    assert invited(course.tick(0.0)) == ["a", "b", "c"]
    course.answer("a", 1, accepts=False, why="hot")
    assert course.tick(1.0) == []
    deliver(course, "b", 2.0)
    deliver(course, "c", 2.0)
    assert combined(course.tick(2.0)) == ["b", "c"]


def buffered(names: Iterable[str], size: int = 2, **more: int) -> Buffered:
    course = Buffered(
        replace(RULES, **more),
        FedAvg().choose,
        Standing(),
        size=size,  # type: ignore[arg-type]
    )
    for name in names:
        course.hear(board(name), 0.0)
    return course


def test_without_rounds_each_board_gets_its_next_one_when_it_has_delivered() -> None:
    course = buffered("abc")
    assert invited(course.tick(0.0)) == ["a", "b", "c"]
    assert sorted(seat.number for seat in course.seats.values()) == [1, 2, 3]
    first = course.seats["a"].number
    deliver(course, "a", 1.0, first)
    assert invited(course.tick(1.0)) == ["a"]
    assert course.seats["a"].number == 4
    deliver(course, "a", 2.0, 4)
    assert course.tick(2.0) == [Combine(((first, "a"), (4, "a")))]
    course.committed(1)
    course.tick(2.0)
    assert course.seats["a"].version == 1
    assert course.seats["b"].version == 0
    assert course.versions == {0, 1}


def test_without_rounds_updates_of_old_versions_count_up_to_an_age() -> None:
    course = buffered("ab", size=1, staleness=1)
    course.tick(0.0)
    slow = course.seats["b"].number
    for version in (1, 2):
        number = course.seats["a"].number
        deliver(course, "a", 1.0, number)
        course.tick(1.0)
        course.committed(version)
        course.tick(1.0)
    verdict = course.judge("b", slow, b"x", 2.0)
    assert verdict is not None
    assert (verdict.state, verdict.why) == ("late", "its model is 2 versions old")


def test_without_rounds_a_board_that_does_not_deliver_rests_and_is_asked_again() -> None:
    course = buffered("ab", size=1)
    course.tick(0.0)
    course.answer("a", course.seats["a"].number, accepts=True, why="")
    actions = course.tick(100.0)
    assert ("a", "late") in [(r.board, r.state) for r in actions if isinstance(r, Reply)]
    assert "a" not in course.seats
    assert "a" in invited(course.tick(101.0))


def test_buffers_that_cannot_be_combined_end_the_job_after_some() -> None:
    course = buffered("ab", size=1, attempts=2)
    for number in (1, 2):
        course.tick(0.0)
        deliver(course, "a", 1.0, course.seats["a"].number)
        assert combined(course.tick(1.0)) == ["a"]
        actions = course.failed("not finite", 1.0)
        assert ("Stop" in kinds(actions)) == (number == 2)
    assert course.stopped is not None
    assert course.stopped.state == "stopped"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["tick", "off", "on", "reboot", "accept", "decline", "deliver", "wrong"]),
        st.sampled_from("abcde"),
        st.floats(0, 40),
    ),
    max_size=80,
)


@given(EVENTS, st.booleans(), st.sampled_from([0.4, 1.0]), st.sampled_from([0.0, 0.5]))
@settings(deadline=None, max_examples=150)
def test_in_any_order_of_events_each_update_counts_once_and_each_round_ends(
    events: list[tuple[str, str, float]], is_buffered: bool, share: float, over: float
) -> None:
    rules = replace(RULES, count=4, over=over, attempts=3)
    choose = FedAvg(share=share).choose
    course: Course = (
        Buffered(rules, choose, Standing(), size=2)
        if is_buffered
        else Rounds(rules, choose, Standing())
    )
    now_s, version = 0.0, 0
    open_numbers: dict[str, int] = {}
    summoned: set[tuple[int, str]] = set()
    told: dict[tuple[int, str], list[str]] = {}
    counted: set[tuple[int, str]] = set()
    attempts: list[int] = []

    def act(actions: Sequence[Action]) -> None:
        nonlocal version
        for action in actions:
            match action:
                case Summon(seat, new):
                    key = (seat.number, seat.board)
                    assert new != (key in summoned), "invited anew, or again without being invited"
                    summoned.add(key)
                    open_numbers[seat.board] = seat.number
                    assert seat.version == version if new else seat.version <= version
                case Open(attempt):
                    assert attempt.number not in attempts
                    attempts.append(attempt.number)
                case Reply(name, number, state):
                    told.setdefault((number, name), []).append(state)
                case Combine(updates):
                    assert not counted & set(updates), "an update counts twice"
                    assert len(set(updates)) == len(updates)
                    assert all("counted" in told[key] for key in updates)
                    assert len(updates) >= 2
                    counted.update(updates)
                    version += 1
                    act(course.committed(version))
        if isinstance(course, Rounds) and course.attempt is None and attempts:
            for key in summoned:
                name = key[1]
                seat = course.seats.get(name)
                assert seat is None, "a seat outlives its round"

    def settle() -> None:
        for _ in range(100):
            if not (actions := course.tick(now_s)):
                return
            act(actions)
        raise AssertionError("it never comes to rest")

    for what, name, wait_s in events:
        number = open_numbers.get(name, 0)
        if what == "tick":
            now_s += wait_s
        elif what == "off":
            act(course.hear(board(name, online=False), now_s))
        elif what in ("on", "reboot"):
            boot = "b1" if what == "on" else f"b{now_s}"
            act(course.hear(board(name, boot=boot), now_s, spoke=True))
        elif what in ("accept", "decline"):
            act(course.answer(name, number, accepts=what == "accept", why=""))
        else:
            verdict = course.judge(name, number, b"digest", now_s)
            if verdict is None and what == "deliver":
                act(course.stored(name, number, b"digest"))
            elif verdict is None:
                act(course.refuse(name, number, "wrong"))
            elif verdict.state == "counted":
                assert "counted" in told[(number, name)]
        settle()
        if course.stopped is None and isinstance(course, Rounds) and course.attempt:
            assert now_s < course.attempt.due_s, "a round goes on beyond its deadline"
    assert course.done <= rules.count
    assert attempts == sorted(attempts)
    for key, states in told.items():
        assert key in summoned or set(states) <= {"late", "refused"}
        assert states.count("counted") <= 1
