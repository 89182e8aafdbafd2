"""Messages of a round: what is sent is what is read, and nothing else is read."""

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.learning.federated.messages import (
    Answer,
    Invite,
    Model,
    Privacy,
    Receipt,
    Said,
    Secure,
    Want,
    decode,
    encode,
    encode_model,
    parameters_of,
)

RUN = "0123456789abcdef"
ROUND = {"run": RUN, "round": 3}
EACH: list[Said] = [
    Invite(**ROUND, version=2, model=bytes(16), model_bytes=9640, epochs=2, rate=0.1),
    Invite(
        **ROUND,
        version=2,
        model=bytes(16),
        model_bytes=1,
        epochs=1,
        rate=0.5,
        privacy=Privacy(clip=1.0, deviation=0.1),
        secure=b"x",
    ),
    Answer(**ROUND, accepts=False, why="on battery"),
    Want(**ROUND, of=bytes(16), numbers=(1, 5)),
    Receipt(**ROUND, state="refused", why="NaN"),
    Secure(**ROUND, phase="share", data=b"\0\1"),
    Model(**ROUND, version=2, codec="float32", parameters=b"1234"),
]


@pytest.mark.parametrize("said", EACH, ids=lambda said: type(said).__name__)
def test_what_is_said_is_what_is_heard(said: Said) -> None:
    assert decode(encode(said)) == said


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        decode(data)


@given(st.sampled_from(EACH), st.data())
@settings(deadline=None)
def test_a_damaged_message_is_refused_or_a_message(said: Said, data: st.DataObject) -> None:
    message = bytearray(encode(said))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] ^= data.draw(st.integers(1, 255))
    try:
        decode(bytes(message))
    except InputError as error:
        assert "\n" not in str(error)


def test_a_field_of_another_kind_is_named() -> None:
    plain = cbor2.loads(encode(EACH[0])) | {"epochs": 0}
    with pytest.raises(InputError, match="epochs"):
        decode(cbor2.dumps(plain))


def test_a_model_comes_back_with_its_control_variate() -> None:
    parameters = {"b": np.arange(3, dtype=np.float32), "a": np.ones((2, 2), np.float32)}
    control = {name: -array for name, array in parameters.items()}
    message = encode_model(parameters, run=RUN, number=1, version=0, control=control)
    model = decode(message)
    assert isinstance(model, Model)
    shapes = {name: array.shape for name, array in parameters.items()}
    found, steering = parameters_of(model, shapes)
    for name in parameters:
        np.testing.assert_array_equal(found[name], parameters[name])
        np.testing.assert_array_equal(steering[name], control[name])
    with pytest.raises(InputError):
        parameters_of(model, {"a": (2, 3)})
