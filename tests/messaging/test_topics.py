"""Topics are built from names that MQTT gives no meaning to."""

import pytest

from edgekit.errors import InputError
from edgekit.messaging.topics import Topics


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
