"""Rules over time: durations, cool-down, age and facts, against a slow and plain reference."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.pipeline.parts import Firing
from edgekit.pipeline.rules.book import RuleBook
from edgekit.pipeline.rules.conditions import Fact, Rule
from edgekit.pipeline.rules.readings import Readable
from tests.pipeline.inferences import LABELS, SteppedClock, anomaly, classified, raw

READABLES = {
    "a": Readable("anomaly"),
    "b": Readable("anomaly"),
    "door": Readable("classes", LABELS),
    "level": Readable("raw"),
}


@dataclass
class Story:
    """A rule book and the time, told step by step."""

    rules: list[Rule]
    facts: list[Fact] = field(default_factory=list)
    clock: SteppedClock = field(default_factory=SteppedClock)

    def __post_init__(self) -> None:
        self.clock.now_s = 0.0
        self.firings: list[Firing] = []
        self.book = RuleBook(
            self.rules,
            self.facts,
            readables=READABLES,
            boot="b",
            now_ms=lambda: round(self.clock.now_s * 1000),
        )

    def tell(self, at_s: float, item: Any) -> list[Firing]:
        self.clock.now_s = at_s
        fired = self.book.take(item, at_s)
        self.firings += fired
        return fired

    def tick(self, at_s: float) -> list[Firing]:
        self.clock.now_s = at_s
        fired = self.book.tick(at_s)
        self.firings += fired
        return fired


def rule(when: str = "a.anomalous", **more: Any) -> Rule:
    return Rule("r", when, **more)


HIGH, LOW = anomaly(11.0, pipeline="a"), anomaly(9.0, pipeline="a")


def test_a_rule_fires_once_when_it_becomes_true_and_says_what_it_read() -> None:
    story = Story([rule("a.anomalous and door.person > 0.8")])
    assert story.tell(1.0, HIGH) == []
    fired = story.tell(2.0, classified(0.9, 0.1, 0.0))
    assert fired == [
        Firing(
            rule="r",
            sequence=0,
            boot="b",
            fired_ms=2000,
            when="a.anomalous and door.person > 0.8",
            held_s=0.0,
            facts={"a.anomalous": True, "door.person": 0.9},
        )
    ]
    assert story.tell(3.0, HIGH) == []


def test_it_fires_again_after_it_was_false() -> None:
    story = Story([rule()])
    for at_s, item in enumerate([HIGH, HIGH, LOW, HIGH, LOW]):
        story.tell(float(at_s), item)
    assert [(f.fired_ms, f.sequence) for f in story.firings] == [(0, 0), (3000, 1)]


def test_a_duration_ends_with_no_further_prediction() -> None:
    story = Story([rule(for_s=5.0)])
    story.tell(10.0, HIGH)
    assert story.book.next_tick_s() == 15.0
    assert story.tick(14.999) == []
    assert [f.held_s for f in story.tick(15.0)] == [5.0]
    assert story.book.next_tick_s() is None


def test_a_duration_is_not_reached_on_predictions_that_are_too_old() -> None:
    story = Story([rule(for_s=5.0, max_age_s=4.0)])
    story.tell(10.0, HIGH)
    assert story.tick(16.0) == []
    story.tell(20.0, HIGH)
    story.tell(23.0, HIGH)
    assert [f.fired_ms for f in story.tick(27.0)] == [25_000]


def test_a_prediction_counts_until_it_is_older_than_its_age() -> None:
    story = Story([rule(for_s=4.0, max_age_s=4.0)])
    story.tell(10.0, HIGH)
    assert len(story.tick(14.0)) == 1


def test_a_late_tick_still_says_when_it_fired() -> None:
    story = Story([rule(for_s=2.0)])
    story.tell(10.0, HIGH)
    assert [(f.fired_ms, f.held_s) for f in story.tick(17.5)] == [(12_000, 2.0)]


def test_nothing_follows_from_silence() -> None:
    story = Story([rule("not a.anomalous"), rule("not quiet")], [Fact("quiet", "b.score > 1")])
    story.tell(0.0, classified(0.9, 0.1, 0.0))
    story.tell(1.0, LOW)
    assert [f.when for f in story.firings] == ["not a.anomalous"]


def test_one_side_of_an_or_is_enough_while_the_other_is_silent() -> None:
    story = Story([rule("b.anomalous or a.anomalous")])
    assert [f.facts for f in story.tell(0.0, HIGH)] == [{"a.anomalous": True}]


def test_a_rule_that_holds_when_its_cool_down_ends_fires_then() -> None:
    story = Story([rule(cooldown_s=5.0)])
    for at_s, item in ((0.0, HIGH), (1.0, LOW), (2.0, HIGH)):
        story.tell(at_s, item)
    assert story.book.next_tick_s() == 5.0
    assert [(f.fired_ms, f.held_s) for f in story.tick(5.0)] == [(5000, 3.0)]


def test_repeat_fires_after_every_cool_down_while_it_holds() -> None:
    story = Story([rule(cooldown_s=3.0, repeat=True, max_age_s=8.0)])
    story.tell(0.0, HIGH)
    story.tick(100.0)
    assert [f.fired_ms for f in story.firings] == [0, 3000, 6000]


def test_a_fact_is_false_until_it_has_held_and_rules_read_it_by_name() -> None:
    facts = [
        Fact("long", "high", for_s=2.0),
        Fact("high", "a.anomalous", for_s=1.0),
    ]
    story = Story([rule("long and high"), rule("not long")], facts)
    story.tell(0.0, HIGH)
    story.tick(9.0)
    assert [(f.when, f.fired_ms) for f in story.firings] == [
        ("not long", 0),
        ("long and high", 3000),
    ]
    assert story.firings[1].facts == {"long": True, "high": True}


def test_time_that_goes_back_stands_still() -> None:
    story = Story([rule(for_s=1.0)])
    story.tell(10.0, HIGH)
    assert story.tick(5.0) == []
    story.tell(5.0, HIGH)
    assert [f.held_s for f in story.tick(11.0)] == [1.0]


def test_raw_values_and_labels_with_blanks_are_read() -> None:
    story = Story(
        [rule("level.values[1] > 2 and door['traffic light'] < 0.5 and door.top != 'dog'")]
    )
    story.tell(0.0, raw(0.0, 3.0))
    (fired,) = story.tell(0.0, classified(0.9, 0.0, 0.1))
    assert fired.facts == {
        "level.values[1]": 3.0,
        "door['traffic light']": 0.1,
        "door.top": "person",
    }


def test_facts_in_a_circle_are_refused() -> None:
    with pytest.raises(InputError, match="circle: "):
        Story([], [Fact("x", "y"), Fact("y", "not x")])


# The reference: it looks at every half second, and at each arrival before and after it. It goes
# back through all it has seen to find since when a condition has held.

Truth = bool | None
Seen = list[tuple[float, Truth]]


def not3(x: Truth) -> Truth:
    return None if x is None else not x


def and3(x: Truth, y: Truth) -> Truth:
    return False if False in (x, y) else None if None in (x, y) else True


FORMS: dict[str, Callable[[Truth, Truth, Truth], Truth]] = {
    "a.anomalous": lambda a, b, fact: a,
    "a.anomalous and not b.anomalous": lambda a, b, fact: and3(a, not3(b)),
    "a.anomalous or b.anomalous": lambda a, b, fact: not3(and3(not3(a), not3(b))),
    "hot and b.anomalous": lambda a, b, fact: and3(fact, b),
    "not hot": lambda a, b, fact: not3(fact),
    "hot": lambda a, b, fact: fact,
}


@dataclass(frozen=True)
class Case:
    steps: list[tuple[int, str, bool]]
    when: str
    for_s: int
    cooldown_s: int
    max_age_s: int
    repeat: bool
    fact_for_s: int
    fact_max_age_s: int

    def predictions(self) -> list[tuple[int, str, bool]]:
        at, told = 0, []
        for gap, who, high in self.steps:
            at += gap
            told.append((at, who, high))
        return told


def held_since(seen: Seen) -> tuple[int, float]:
    """Where in the past the run of truths that ends now began."""
    index = len(seen) - 1
    while index > 0 and seen[index - 1][1] is True:
        index -= 1
    return index, seen[index][0]


def plain_firings(case: Case, end: int) -> list[float]:
    told = case.predictions()
    moments: list[tuple[float, int]] = []  # a time, and how many predictions there were by then
    for half in range(2 * end + 1):
        now = half / 2
        moments.append((now, sum(at < now for at, _, _ in told)))
        moments += [(now, n + 1) for n, (at, _, _) in enumerate(told) if at == now]

    def latest(now: float, count: int, who: str, max_age: int) -> Truth:
        for at, name, high in reversed(told[:count]):
            if name == who:
                return high if now - at <= max_age else None
        return None

    fact_seen: Seen = []
    seen: Seen = []
    fired: list[tuple[int, float]] = []
    for now, count in moments:
        fact = latest(now, count, "a", case.fact_max_age_s)
        fact_seen.append((now, fact))
        if fact is True:
            fact = now - held_since(fact_seen)[1] >= case.fact_for_s
        a = latest(now, count, "a", case.max_age_s)
        b = latest(now, count, "b", case.max_age_s)
        seen.append((now, FORMS[case.when](a, b, fact)))
        if seen[-1][1] is not True:
            continue
        began, since = held_since(seen)
        has_fired = any(index >= began for index, _ in fired)
        cool = not fired or now - fired[-1][1] >= case.cooldown_s
        if now - since >= case.for_s and cool and (case.repeat or not has_fired):
            fired.append((len(seen) - 1, now))
    return [now for _, now in fired]


cases = st.builds(
    Case,
    steps=st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from("ab"), st.booleans()), min_size=1, max_size=10
    ),
    when=st.sampled_from(list(FORMS)),
    for_s=st.integers(0, 6),
    cooldown_s=st.integers(1, 8),
    max_age_s=st.integers(1, 8),
    repeat=st.booleans(),
    fact_for_s=st.integers(0, 4),
    fact_max_age_s=st.integers(1, 8),
)


def told_story(case: Case, ticks: set[float], end: int) -> list[float]:
    story = Story(
        [
            rule(
                case.when,
                for_s=float(case.for_s),
                cooldown_s=float(case.cooldown_s),
                max_age_s=float(case.max_age_s),
                repeat=case.repeat,
            )
        ],
        [
            Fact(
                "hot",
                "a.anomalous",
                for_s=float(case.fact_for_s),
                max_age_s=float(case.fact_max_age_s),
            )
        ],
    )
    steps: list[tuple[float, str, bool]] = [
        *((float(at), who, high) for at, who, high in case.predictions()),
        *((at, "", False) for at in ticks),
    ]
    for at, who, high in sorted(steps, key=lambda step: step[0]):
        if who:
            story.tell(at, anomaly(11.0 if high else 9.0, pipeline=who))
        else:
            story.tick(at)
    story.tick(float(end))
    return [fired.fired_ms / 1000 for fired in story.firings]


@settings(deadline=None, max_examples=300)
@given(cases, st.sets(st.floats(0, 40), max_size=6))
def test_firings_agree_with_looking_at_every_moment_however_often_time_is_told(
    case: Case, ticks: set[float]
) -> None:
    end = case.predictions()[-1][0] + 20
    assert told_story(case, ticks, end) == plain_firings(case, end)


@settings(deadline=None)
@given(cases)
def test_whoever_ticks_when_told_to_misses_nothing(case: Case) -> None:
    story = Story(
        [rule(case.when, for_s=float(case.for_s), max_age_s=float(case.max_age_s))],
        [Fact("hot", "a.anomalous", for_s=float(case.fact_for_s))],
    )
    for at, who, high in case.predictions():
        while (due := story.book.next_tick_s()) is not None and due < at:
            for fired in story.tick(due):
                assert fired.fired_ms == round(due * 1000)
            next_due = story.book.next_tick_s()
            assert next_due is None or next_due > due
        fired_before = len(story.firings)
        story.tell(float(at), anomaly(11.0 if high else 9.0, pipeline=who))
        for fired in story.firings[fired_before:]:
            assert fired.fired_ms == at * 1000
