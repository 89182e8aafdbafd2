"""The JSON of an event: made once for all sinks, and never another event's."""

from itertools import product

import pytest

from edgekit.errors import InputError
from edgekit.messaging.payloads import encode
from edgekit.pipeline.message import message_of, payload_of
from edgekit.pipeline.parts import Event
from tests.pipeline.inferences import anomaly, classified, raw

EVENTS = [anomaly(1.0), anomaly(2.0), classified(0.7, 0.2, 0.1), raw(1.0, 2.0)]


@pytest.mark.parametrize(("before", "event"), list(product(EVENTS, EVENTS)))
def test_whatever_was_told_before_an_event_has_its_own_message(before: Event, event: Event) -> None:
    assert payload_of(before) == encode(message_of(before))
    assert payload_of(event) == encode(message_of(event))


def test_an_event_that_is_told_to_several_is_encoded_once() -> None:
    event, equal = anomaly(1.0), anomaly(1.0)
    assert payload_of(event) is payload_of(event)
    assert payload_of(equal) is not payload_of(event)


def test_an_event_without_a_message_is_refused_each_time() -> None:
    event = anomaly(float("nan"))
    for _ in range(2):
        with pytest.raises(InputError, match="no JSON form"):
            payload_of(event)
