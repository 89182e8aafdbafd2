"""Reading off a classifier's answer: its likeliest classes, and numbers that are none."""

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.bundle import InputSpec, Manifest, OutputSpec
from edgekit.errors import UnsupportedModel
from edgekit.runtime.interpret import interpret
from edgekit.runtime.prediction import Classification, Prediction

FLOATS = st.floats(-50, 50, width=32)


def answer(output: Array, kind: Literal["scores", "logits"]) -> Prediction:
    manifest = Manifest(
        schema=1, name="m", version="1.0.0", task="classification",
        input=InputSpec(name="x", dtype="float32", shape=(1,)),
        output=OutputSpec(name="y", kind=kind), models={}, files={},
    )  # fmt: skip
    return interpret(output[np.newaxis], np.zeros(1, np.float32), manifest, ("only",))


@settings(deadline=None, max_examples=60)
@given(st.lists(FLOATS, min_size=1, max_size=70), st.sampled_from(["scores", "logits"]))
def test_the_likeliest_come_best_first_and_of_equals_the_first(
    values: list[float], kind: Literal["scores", "logits"]
) -> None:
    found = answer(np.array(values, np.float32), kind)
    assert isinstance(found, Classification)
    order = sorted(range(len(values)), key=lambda i: (-found.scores[i], i))
    assert [one.id for one in found.top] == order[:5]
    assert [one.p for one in found.top] == [found.scores[i] for i in order[:5]]
    assert all(one.label == ("only" if one.id == 0 else f"class {one.id}") for one in found.top)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(FLOATS, min_size=1, max_size=70),
    st.data(),
    st.sampled_from([math.nan, -math.nan, math.inf, -math.inf]),
    st.sampled_from(["scores", "logits"]),
)
def test_one_number_that_is_none_is_found_wherever_it_stands(
    values: list[float], data: st.DataObject, odd: float, kind: Literal["scores", "logits"]
) -> None:
    values[data.draw(st.integers(0, len(values) - 1))] = odd
    with pytest.raises(UnsupportedModel, match="NaN or infinity"):
        answer(np.array(values, np.float32), kind)
