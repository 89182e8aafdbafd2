"""The language of rules: what it reads, what it refuses, and that nothing in it runs for long."""

import ast
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.pipeline.rules.language import Expression, compile_expression, mistakes_in
from edgekit.pipeline.rules.parsing import MAX_LENGTH, BadExpression
from edgekit.pipeline.rules.readings import Readable, Reading, Value, value_of
from edgekit.runtime.prediction import AnomalyScore, Classification, RawValues
from tests.pipeline.inferences import anomaly, classes, inference, raw

LABELS = ("person", "traffic light", "top", "class", "e-bike")
READABLES = {
    "door": Readable("classes", LABELS),
    "front-door": Readable("classes"),
    "pump": Readable("anomaly"),
    "level": Readable("raw"),
}
FACTS = ("person_at_door", "quiet")
PREDICTIONS = {
    "door": inference(classes(0.5, 0.2, 0.1, 0.15, 0.05, labels=LABELS), "door").prediction,
    "front-door": inference(classes(0.9, 0.1, labels=("cat", "dog"))).prediction,
    "pump": anomaly(12.0, 10.0).prediction,
    "level": raw(1.5, -2.0).prediction,
}


def compiled(text: str) -> Expression:
    return compile_expression(text, readables=READABLES, facts=FACTS)


def look(reading: Reading) -> Value | None:
    if reading.part == "fact":
        return reading.of == "person_at_door"
    return value_of(reading, PREDICTIONS[reading.of])


def silence(reading: Reading) -> Value | None:
    return None


@pytest.mark.parametrize(
    "text",
    [
        "door.person > 0.4",
        "door['traffic light'] == 0.2",
        'door["person"] > 0.4',
        "door['top'] < 0.11 and door['e-bike'] < 0.06 and door['class'] > 0.1",
        "door.top == 'person' and door.p == 0.5",
        "door.top in ['person', 'dog'] and door.top not in ('dog',)",
        "'front-door'.cat > 0.8 and 'front-door'['dog'] < 0.2",
        "pump.anomalous and pump.score > pump.threshold",
        "pump.score / pump.threshold == 1.2",
        "level.values[0] - level.values[1] * 2 > 5.4",
        "-1 < level.values[0] < 2",
        "person_at_door and not quiet",
        "person_at_door == True",
        "0.1 < door.person + door['traffic light'] <= 0.7",
        "not (quiet or pump.score < 3)",
        "\n  person_at_door\n  and pump.anomalous\n",
    ],
)
def test_an_expression_reads_what_was_predicted(text: str) -> None:
    assert compiled(text).value(look) is True


def test_a_label_that_is_not_among_the_named_ones_has_its_own_probability() -> None:
    found = classes(0.5, 0.3, 0.2, labels=("a", "b", "c"), top=1)
    reading = Reading("x.c", "x", "label", "c")
    assert value_of(reading, found) == 0.2
    assert value_of(reading, Classification(found.top)) == 0
    assert value_of(Reading("x.z", "x", "label", "z"), found) is None


def test_classes_of_one_name_count_together() -> None:
    found = classes(0.4, 0.3, 0.3, labels=("crane", "dog", "crane"))
    assert value_of(Reading("x.crane", "x", "label", "crane"), found) == pytest.approx(0.7)


def test_models_that_come_and_go_keep_their_own_labels() -> None:
    reading = Reading("x.dog", "x", "label", "dog")
    for turn in range(600):
        labels = tuple(["cat"] * (turn % 5) + ["dog"])
        found = classes(*range(1, len(labels) + 1), labels=labels)
        assert value_of(reading, found) == len(labels)
    unnamed = Reading("x['class 1']", "x", "label", "class 1")
    assert value_of(unnamed, classes(0.3, labels=())) is None
    assert value_of(unnamed, classes(0.3, 0.7, labels=())) == 0.7


def test_another_kind_of_prediction_than_was_checked_is_unknown() -> None:
    assert value_of(Reading("x.score", "x", "score"), RawValues(raw(1.0).prediction.values)) is None
    assert value_of(Reading("x.a", "x", "label", "a"), AnomalyScore(1.0, 2.0)) is None
    assert value_of(Reading("level.values[9]", "level", "value", 9), PREDICTIONS["level"]) is None


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("pump.anomalous", None),
        ("not pump.anomalous", None),
        ("pump.anomalous or 1 < 2", True),
        ("pump.anomalous and 2 < 1", False),
        ("pump.anomalous or 2 < 1", None),
        ("pump.score != 3", None),
        ("0 < 1 < pump.score", None),
        ("0 < -1 < pump.score", False),
        ("door.top in ['x']", None),
    ],
)
def test_what_is_unknown_decides_nothing(text: str, truth: bool | None) -> None:
    assert compiled(text).value(silence) is truth


@pytest.mark.parametrize(
    "text", ["pump.score / (pump.score - pump.score) > 1", "1e300 * 1e300 * pump.score > 1"]
)
def test_arithmetic_without_a_finite_result_is_unknown(text: str) -> None:
    assert compiled(text).value(look) is None


@pytest.mark.parametrize(
    ("text", "says", "word", "known"),
    [
        ("door.persn > 1", "there is no door.persn", "door.persn", "door.person"),
        ("door.traffic_light > 1", "no door.traffic_light", "", "door['traffic light']"),
        ("dor.person > 1", "there is no pipeline 'dor'", "dor", "door"),
        ("person_at_dor", "no pipeline or fact 'person_at_dor'", "person_at_dor", "person_at_door"),
        ("pump.anomaly", "there is no pump.anomaly", "pump.anomaly", "pump.anomalous"),
        ("pump['score'] > 1", "there is no pump['score']", "", "pump.score"),
        ("level.value > 1", "there is no level.value", "", "level.values[0]"),
        ("true and quiet", "no pipeline or fact 'true'", "true", "True"),
    ],
)
def test_a_name_that_nothing_has_is_told_with_those_there_are(
    text: str, says: str, word: str, known: str
) -> None:
    with pytest.raises(BadExpression) as caught:
        compiled(text)
    assert says in str(caught.value)
    assert word in caught.value.word
    assert known in caught.value.known


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not an expression"),
        ("door.person >", "is not an expression"),
        ("quiet && person_at_door", "is not an expression"),
        ("quiet = True", "is not an expression"),
        ("1or quiet", "is not an expression"),
        ("quiet\0", "is not an expression"),
        ("quiet; quiet", "is not an expression"),
        ("\udc00", "is not an expression"),
        ("door", "door is a pipeline: read something of it, as in door.person"),
        ("quiet.score > 1", "quiet is a fact"),
        ("door.person", "is a number, and true or false is needed there: compare it"),
        ("door.top", "is a text, and true or false is needed"),
        ("pump.anomalous > 0.8", "pump.anomalous is true or false, and a number is needed"),
        ("door.top > 'a'", "door.top is a text, and a number is needed"),
        ("door.top == 1", "1 is a number, and a text is needed"),
        ("not door.p", "door.p is a number"),
        ("door.p and quiet", "door.p is a number"),
        ("door.top + 'x' == 'y'", "door.top is a text"),
        ("door.top in 'person'", "is not a list of texts"),
        ("door.top in []", "is not a list of texts"),
        ("quiet is True", "write =="),
        ("1 < 2", "reads nothing"),
        ("level.values[-1] > 0", "level.values[-1] reads nothing"),
        ("level.values[True] > 0", "no model has so many values"),
        ("level.values[99999999] > 0", "no model has so many values"),
        ("door.person.real > 0", "reads nothing"),
        ("door.__class__ == 1", "there is no door.__class__"),
        ("'x'.join == 1", "there is no pipeline 'x'"),
        ("abs(door.p) > 1", "is not of this language"),
        ("door.p ** 9 > 1", "is not of this language"),
        ("door.p // 1 % 2 > 1", "is not of this language"),
        ("[x for x in (1, 2)] == 1", "is not of this language"),
        ("(lambda: 1)() == 1", "is not of this language"),
        ("(x := 1) == 1", "is not of this language"),
        ("f'{door}' == door.top", "is not of this language"),
        ("1 if quiet else 2", "is not of this language"),
        ("door.p > 1e999", "is not a number"),
        ("door.p > 1j", "is not a number"),
        ("door.top == b'x'", "is not a number, a text"),
        ("quiet or " * 40 + "quiet", f"at most {MAX_LENGTH} are read"),
        ("(" * 120 + "quiet" + ")" * 120, None),
        ("not " * 60 + "quiet", "is nested deeper"),
        ("-" * 240 + "1 > door.p", "is nested deeper"),
        ("(" * 250, "is not an expression"),
    ],
)
def test_what_is_not_of_the_language_is_refused_in_a_line(text: str, says: str | None) -> None:
    if says is None:
        assert compiled(text).value(look) is False
        return
    with pytest.raises(BadExpression) as caught:
        compiled(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value).replace(text, "")


def test_every_mistake_in_an_expression_is_told_once() -> None:
    found = mistakes_in(
        "0 < dor.p < 1 and (quit or door.top > 1) and f(1)", readables=READABLES, facts=FACTS
    )
    assert [str(mistake).partition(":")[0] for mistake in found] == [
        "there is no pipeline 'dor'",
        "there is no pipeline or fact 'quit'",
        "door.top is a text, and a number is needed there",
        "f(1) is not of this language",
    ]


def test_what_is_read_is_told_once_each() -> None:
    readings = compiled("door.p > 0.5 or (door.p > 0.1 and quiet)").readings
    assert [reading.name for reading in readings] == ["door.p", "quiet"]


numbers = st.sampled_from(
    ["door.person", "door['traffic light']", "door.p", "pump.score", "level.values[1]", "0.3", "2"]
)
numeric = st.recursive(
    numbers,
    lambda inner: st.builds(
        "({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/"]), inner
    ),
    max_leaves=3,
)
truths = st.sampled_from(["pump.anomalous", "quiet", "person_at_door"]) | st.builds(
    "{} {} {}".format, numeric, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numeric
)
expressions = st.recursive(
    truths,
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner)
        | st.builds("(not {})".format, inner)
    ),
    max_leaves=5,
).filter(lambda text: len(text) <= MAX_LENGTH)


class Spelled(dict[str, Any]):
    """Labels as items and as attributes."""

    __getattr__ = dict.__getitem__


@given(expressions)
def test_where_all_is_known_an_expression_means_what_it_means_in_python(text: str) -> None:
    try:
        expression = compiled(text)
    except BadExpression as error:
        assert "reads nothing" in str(error)
        return
    door = Spelled(person=0.5, p=0.5)
    door["traffic light"] = 0.2
    names = {
        "door": door,
        "pump": SimpleNamespace(score=12.0, anomalous=True),
        "level": SimpleNamespace(values=(1.5, -2.0)),
        "person_at_door": True,
        "quiet": False,
    }
    try:
        meant = eval(text, {"__builtins__": {}}, names)
    except ZeroDivisionError:
        return
    assert expression.value(look) is meant


@given(expressions, st.data())
def test_more_knowledge_never_turns_a_truth_over(text: str, data: st.DataObject) -> None:
    try:
        expression = compiled(text)
    except BadExpression:
        return
    known = data.draw(st.sets(st.sampled_from(expression.readings)))
    partly = expression.value(lambda reading: look(reading) if reading in known else None)
    assert partly is None or partly is expression.value(look)


words = st.sampled_from(
    """door pump level quiet person anomalous values 'door' "x y" . . [ ] ( ) and or not in is if
    else lambda for == != < > <= + - * / ** % // := , 0 1 0.5 1e308 1e999 True None [0] ['person']
    .top .score .__class__ f'{1}' await yield \\ # : ; ~ @ & |""".split()  # noqa: SIM905
)


@settings(deadline=None, max_examples=400)
@given(st.lists(words, max_size=24).map(" ".join) | st.text(max_size=300))
def test_any_text_is_an_expression_or_is_refused(text: str) -> None:
    try:
        expression = compiled(text)
    except BadExpression as error:
        assert str(error)
        return
    assert expression.value(look) in (True, False, None)
    assert expression.value(silence) in (True, False, None)


@settings(deadline=None)
@given(st.sampled_from(["(", "[", "{", "-", "not ", "a.", "a[", "+1", "'", "0", "9", "~"]))
def test_the_deepest_text_that_fits_is_refused_without_harm(piece: str) -> None:
    text = (piece * MAX_LENGTH)[:MAX_LENGTH]
    with pytest.raises(BadExpression):
        compiled(text)


@given(expressions)
def test_steps_are_in_proportion_to_length(text: str) -> None:
    try:
        expression = compiled(text)
    except BadExpression:
        return
    looked = 0

    def counting(reading: Reading) -> Value | None:
        nonlocal looked
        looked += 1
        return look(reading)

    expression.value(counting)
    # A value between two comparisons is read for both.
    assert looked <= 2 * sum(1 for _ in ast.walk(ast.parse(text, mode="eval")))
