"""What a rollout decides, whatever boards do, and whoever carries it on."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.deploy.rollout.plan import (
    Begin,
    Board,
    Clear,
    GoBack,
    Move,
    Standing,
    allowed_failures,
    decide,
    next_moment_s,
    obey,
)
from edgekit.deploy.rollout.record import progress_of, standing_of
from edgekit.messaging.payloads import (
    RolloutPlan,
    RolloutWish,
    decode_rollout_progress,
    encode,
)

NAMES = tuple(f"b{number}" for number in range(12))


def plan_of(
    count: int = 10,
    waves: tuple[int, ...] = (1, 4, 10),
    *,
    max_errors: float = 0.0,
    min_success: float = 1.0,
    deadline_s: float = 100.0,
    at_once: int | None = None,
) -> RolloutPlan:
    """A plan for the first boards."""
    return RolloutPlan(
        bundle="mean",
        version="1.1.0",
        started=0,
        boards=NAMES[:count],
        waves=waves,
        deadline_s=deadline_s,
        at_once=at_once,
        pause_s=10.0,
        max_errors=max_errors,
        min_success=min_success,
    )


@dataclass
class World:
    """A rollout whose actions are done at once, and whose boards do what they are told to."""

    plan: RolloutPlan
    standing: Standing = field(default_factory=Standing)
    boards: dict[str, Board] = field(default_factory=dict)
    now_s: float = 0.0
    begun: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Decides and acts until nothing is left to do."""
        for _ in range(100):
            actions = decide(self.plan, self.standing, self.boards, self.now_s)
            if not actions:
                return
            for action in actions:
                self.act(action)
        pytest.fail("decisions never come to rest")

    def act(self, action: object) -> None:
        """Does what was decided."""
        match action:
            case Move(standing):
                self.standing = standing
            case Begin(name):
                assert self.boards.get(name, Board(name)).hint is None, "begins a board twice"
                self.begun.append(name)
                self.change(name, hint="install", answer="none")
            case Clear(name):
                self.change(name, hint=None)
            case GoBack(name):
                self.change(name, hint="roll-back")

    def change(self, name: str, **changes: object) -> None:
        """Makes a board another."""
        board = self.boards.get(name, Board(name))
        self.boards[name] = replace(board, **changes)  # type: ignore[arg-type]

    def all_online(self) -> "World":
        """Has every board come."""
        for name in self.plan.boards:
            self.change(name, online=True)
        return self

    def answer(self, said: str) -> None:
        """Every board that has begun comes to its end."""
        for name, board in self.boards.items():
            if board.is_open:
                self.change(name, answer=said)


def test_a_good_bundle_reaches_all_boards_wave_by_wave() -> None:
    world = World(plan_of()).all_online()
    for begun in (1, 4, 10):
        world.settle()
        assert len(world.begun) == begun
        world.answer("done")
        world.settle()
        world.now_s += 10
    assert world.standing.state == "finished"
    assert world.begun == list(world.plan.boards)


def test_the_pause_between_waves_is_kept() -> None:
    world = World(plan_of()).all_online()
    world.settle()
    world.answer("done")
    world.settle()
    world.now_s = 9.9
    world.settle()
    assert len(world.begun) == 1
    assert next_moment_s(world.plan, world.standing) == 10
    world.now_s = 10
    world.settle()
    assert len(world.begun) == 4


def test_more_failures_than_are_let_through_stop_it_at_once_and_nobody_else_begins() -> None:
    world = World(plan_of(max_errors=0.25)).all_online()
    world.settle()
    world.answer("done")
    world.settle()
    world.now_s = 10
    world.settle()
    assert allowed_failures(world.plan, 1) == 1
    failing = world.begun[1:3]
    world.change(failing[0], answer="failed")
    world.settle()
    assert world.standing.state == "running"
    world.change(failing[1], answer="failed")
    world.settle()
    assert world.standing.state == "stopped"
    assert world.standing.reason == "2 boards of 4 failed, more than the 1 let through"
    world.now_s = 1e9
    world.settle()
    assert len(world.begun) == 4


def test_boards_that_never_come_to_an_end_are_no_success() -> None:
    world = World(plan_of(min_success=0.5)).all_online()
    world.settle()
    world.now_s = 99
    world.settle()
    assert world.standing.state == "running"
    world.now_s = 100
    world.settle()
    assert world.standing.state == "stopped"
    assert "0 of 1 board committed, fewer than 50%; 1 did not" in world.standing.reason


def test_no_more_boards_are_under_way_than_may_be() -> None:
    world = World(plan_of(waves=(10,), at_once=3)).all_online()
    world.settle()
    assert world.begun == ["b0", "b1", "b2"]
    world.change("b1", answer="done")
    world.settle()
    assert world.begun[3:] == ["b3"]
    world.change("b3", answer="failed")
    world.settle()
    assert len(world.begun) == 4  # stopped: only what was under way goes on


def test_boards_that_hang_give_their_turn_to_others_in_the_end() -> None:
    world = World(plan_of(waves=(10,), at_once=3, min_success=0.5)).all_online()
    world.settle()
    world.now_s = 100
    world.settle()
    assert world.standing.late == {"b0", "b1", "b2"}
    assert len(world.begun) == 6


def test_a_late_board_is_waited_for_once_and_not_in_every_wave() -> None:
    world = World(plan_of(waves=(4, 10), min_success=0.75)).all_online()
    world.settle()
    late = world.begun[0]
    for name in world.begun[1:]:
        world.change(name, answer="done")
    world.now_s = 100
    world.settle()
    assert world.standing.late == {late}
    world.now_s = 110
    world.settle()
    for name in world.begun[4:]:
        world.change(name, answer="done")
    world.settle()
    assert world.standing.state == "finished"


def test_a_board_that_is_away_gives_its_turn_to_the_next_and_gets_it_back_when_it_comes() -> None:
    world = World(plan_of(waves=(2, 10))).all_online()
    world.change("b0", online=False)
    world.settle()
    assert world.begun == ["b1", "b2"]
    world.answer("done")
    world.settle()
    world.change("b0", online=True)
    world.now_s = 10
    world.settle()
    assert world.begun[2] == "b0"


def test_a_board_that_never_comes_holds_up_nothing_and_finds_its_hint_when_it_does() -> None:
    world = World(plan_of(count=3, waves=(3,))).all_online()
    world.change("b1", online=False)
    world.settle()
    world.answer("done")
    world.settle()
    assert world.standing.state == "running"  # it is waited for
    world.now_s = 100
    world.settle()
    assert world.standing.state == "finished"
    assert world.begun == ["b0", "b2", "b1"]


def test_without_a_single_board_nothing_goes_on() -> None:
    world = World(plan_of())
    world.now_s = 1e9
    world.settle()
    assert (world.standing.state, world.standing.wave, world.begun) == ("running", 0, [])


def test_an_abort_takes_hints_back_and_leaves_what_was_committed() -> None:
    world = World(plan_of(waves=(4, 10))).all_online()
    world.settle()
    world.change("b0", answer="done")
    world.change("b1", answer="busy")
    world.standing = obey(world.standing, RolloutWish(action="abort", by="ada", at=1), 1.0)
    world.settle()
    hints = [world.boards[name].hint for name in NAMES[:5]]
    assert hints == ["install", "install", None, None, None]


def test_an_abort_that_reverts_sends_back_also_those_that_commit_later() -> None:
    world = World(plan_of(waves=(4, 10))).all_online()
    world.settle()
    world.change("b0", answer="done")
    wish = RolloutWish(action="abort", by="ada", at=1, revert=True)
    world.standing = obey(world.standing, wish, 1.0)
    world.settle()
    assert world.boards["b0"].hint == "roll-back"
    assert world.boards["b1"].hint == "install"
    world.change("b1", answer="done")
    world.settle()
    assert world.boards["b1"].hint == "roll-back"


def test_a_pause_begins_nobody_and_what_goes_on_afterwards_has_its_whole_deadline() -> None:
    world = World(plan_of(waves=(4, 10))).all_online()
    world.settle()
    world.standing = obey(world.standing, RolloutWish(action="pause", by="ada", at=1), 1.0)
    world.change("b0", answer="done")
    world.now_s = 1e6
    world.settle()
    assert (world.standing.state, len(world.begun)) == ("paused", 4)
    world.standing = obey(world.standing, RolloutWish(action="run", by="bob", at=1), world.now_s)
    world.settle()
    assert world.standing.state == "running"
    assert next_moment_s(world.plan, world.standing) == 1e6 + 100


@pytest.mark.parametrize("state", ["finished", "aborted"])
def test_what_has_ended_runs_no_more(state: str) -> None:
    ended = Standing(state=state)  # type: ignore[arg-type]
    assert obey(ended, RolloutWish(action="run", by="ada", at=1), 1.0) == ended


_plans = st.builds(
    lambda count, cuts, errors, success, at_once: plan_of(
        count,
        (*sorted({cut for cut in cuts if cut < count}), count),
        max_errors=errors,
        min_success=success,
        at_once=at_once,
    ),
    st.integers(1, 12),
    st.lists(st.integers(1, 11), max_size=3),
    st.floats(0, 1),
    st.floats(0, 1),
    st.none() | st.integers(1, 5),
)
_board_events = st.tuples(
    st.sampled_from(NAMES),
    st.fixed_dictionaries(
        {
            "online": st.sampled_from([True, True, False]),
            "answer": st.sampled_from(["none", "busy", "done", "done", "failed"]),
        }
    ),
)
_wishes = st.sampled_from(["run", "run", "run", "pause", "abort"])
_events = st.one_of(*[_board_events] * 5, st.floats(0, 60), st.floats(0, 60), _wishes)


def happen(world: World, event: object) -> None:
    """Something comes from outside: a board, time, or an operator."""
    match event:
        case float():
            world.now_s += event
        case str():
            wish = RolloutWish(action=event, by="ada", at=1)  # type: ignore[arg-type]
            world.standing = obey(world.standing, wish, world.now_s)
        case (str(name), dict(changes)) if name in world.plan.boards:
            board = world.boards.get(name, Board(name))
            if not board.has_begun and changes["answer"] != "done":
                changes = {**changes, "answer": "none"}  # only who was told has something to say
            world.change(name, **changes)


def forgotten(world: World) -> World:
    """The same rollout on another workstation: all that is known came over the wire."""
    said = progress_of(world.standing, world.boards.values(), "bob")
    heard = decode_rollout_progress(encode(said))
    standing = replace(standing_of(world.plan, heard), revert=world.standing.revert)
    return World(world.plan, standing, dict(world.boards), world.now_s, list(world.begun))


@settings(deadline=None, max_examples=200)
@given(_plans, st.lists(_events, min_size=10, max_size=60), st.integers(0, 60))
def test_whatever_happens_the_rules_hold(plan: RolloutPlan, events: list[object], cut: int) -> None:
    world = World(plan).all_online()
    for number, event in enumerate(events):
        happen(world, event)
        if number == cut:
            world = forgotten(world)
        before, had = world.standing, list(world.begun)
        failed = sum(board.answer == "failed" for board in world.boards.values())
        world.settle()
        began = world.begun[len(had) :]
        told = [board for board in world.boards.values() if board.has_begun]
        size = plan.waves[world.standing.wave]
        assert not began or len(told) <= size, "exceeds the wave"
        under_way = [b for b in told if b.is_open and b.name not in world.standing.late]
        if began and world.standing.state == "running" and plan.at_once is not None:
            assert len(under_way) <= plan.at_once, "too many under way"
        if before.state == "running" and failed > allowed_failures(plan, before.wave):
            assert world.standing.state == "stopped"
            assert not began, "goes on past the threshold"
        if before.state in ("paused", "stopped", "aborted"):
            assert not began
        assert decide(plan, world.standing, world.boards, world.now_s) == [], "is not at rest"


@settings(deadline=None, max_examples=100)
@given(_plans, st.lists(_events, max_size=30))
def test_another_workstation_decides_the_same_from_what_is_on_the_wire(
    plan: RolloutPlan, events: list[object]
) -> None:
    world = World(plan).all_online()
    for event in events:
        happen(world, event)
        other = forgotten(world)
        other.now_s = world.now_s
        mine = decide(plan, world.standing, world.boards, world.now_s)
        theirs = decide(plan, other.standing, other.boards, other.now_s)
        assert [type(each) for each in mine] == [type(each) for each in theirs]
        assert [a for a in mine if not isinstance(a, Move)] == [
            a for a in theirs if not isinstance(a, Move)
        ]
        world.settle()


@settings(deadline=None, max_examples=100)
@given(_plans, st.data())
def test_every_rollout_comes_to_an_end_once_a_board_is_there(
    plan: RolloutPlan, data: st.DataObject
) -> None:
    world = World(plan)
    for name in plan.boards:
        world.change(name, online=data.draw(st.booleans()))
    world.change(plan.boards[0], online=True)
    for _ in range(3 * len(plan.waves) + 3 * len(plan.boards) + 3):
        world.settle()
        if world.standing.state != "running":
            return
        for name, board in world.boards.items():
            if board.is_open:
                world.change(name, answer=data.draw(st.sampled_from(["busy", "done", "failed"])))
        world.settle()
        if (due_s := next_moment_s(plan, world.standing)) is not None:
            world.now_s = max(world.now_s, due_s)
    pytest.fail(f"still {world.standing}")
