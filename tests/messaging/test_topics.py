"""Topics are built from names that MQTT gives no meaning to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.messaging.topics import Place, Topics, place_of


def test_topics_lie_below_fleet_and_device() -> None:
    topics = Topics("lab", "zero-2")
    assert topics.prefix == "edgekit/v1/lab/zero-2/"
    assert topics.status == "edgekit/v1/lab/zero-2/status"
    assert topics.metrics == "edgekit/v1/lab/zero-2/metrics"
    assert topics.infer("door") == "edgekit/v1/lab/zero-2/infer/door"


@pytest.mark.parametrize("name", ["", "a/b", "+", "a#", "a\0b", "a\nb", "a" * 65])
def test_a_name_that_is_not_one_topic_level_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="fleet"):
        Topics(name, "device")
    with pytest.raises(InputError, match="device"):
        Topics("fleet", name)
    with pytest.raises(InputError, match="pipeline"):
        Topics("fleet", "device").infer(name)


def test_a_refusal_names_the_characters() -> None:
    with pytest.raises(InputError, match=r"device name 'a/b' holds '/'"):
        Topics("fleet", "a/b")


def test_other_scripts_and_spaces_are_names_too() -> None:
    assert Topics("größe", "gerät 1").status == "edgekit/v1/größe/gerät 1/status"


def test_commands_answers_and_twins_have_topics_of_their_own() -> None:
    topics = Topics("lab", "zero-2")
    assert topics.command("set-rate") == "edgekit/v1/lab/zero-2/cmd/set-rate"
    assert topics.answer("set-rate", "a1") == "edgekit/v1/lab/zero-2/res/set-rate/a1"
    assert topics.twin_desired == "edgekit/v1/lab/zero-2/twin/desired"
    assert topics.twin_reported == "edgekit/v1/lab/zero-2/twin/reported"
    with pytest.raises(InputError, match="id"):
        topics.answer("reload", "a/b")


@pytest.mark.parametrize(
    ("topic", "place"),
    [
        ("edgekit/v1/lab/zero/status", Place("lab", "zero", "status", "")),
        ("edgekit/v1/lab/zero/infer/door", Place("lab", "zero", "infer", "door")),
        ("edgekit/v1/lab/zero/twin/reported", Place("lab", "zero", "twin/reported", "")),
        ("edgekit/v1/lab/zero/res/reload/a1", Place("lab", "zero", "res", "reload/a1")),
        ("edgekit/v1/lab/zero", None),
        ("edgekit/v1/lab//status", None),
        ("edgekit/v2/lab/zero/status", None),
        ("homeassistant/status", None),
        ("", None),
    ],
)
def test_a_topic_says_whose_it_is_and_of_what(topic: str, place: Place | None) -> None:
    assert place_of(topic) == place


@given(st.text() | st.lists(st.sampled_from(["edgekit", "v1", "a", "", "twin"])).map("/".join))
def test_any_topic_is_a_place_or_none(topic: str) -> None:
    place = place_of(topic)
    assert place is None or topic.startswith(f"edgekit/v1/{place.fleet}/{place.device}/")
