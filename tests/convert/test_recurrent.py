"""LSTM, a step at a time, from a fresh state in every run."""

import numpy as np
import pytest

from edgekit.convert import to_tflite
from edgekit.graph.build import GraphBuilder
from tests.convert.engines import litert_gives, require_same
from tests.convert.graphs import gives, normal


def lstm(
    direction: str, *, steps: int = 4, batch: int = 2, state: bool = False, bias: bool = True
) -> tuple[GraphBuilder, list]:
    build = GraphBuilder("lstm")
    count = 2 if direction == "bidirectional" else 1
    x = build.input("x", np.float32, (steps, batch, 3))
    inputs = [x, normal((count, 20, 3)), normal((count, 20, 5), seed=1)]
    inputs.append(normal((count, 40), seed=2) if bias else None)
    if state:
        inputs += [None, normal((count, batch, 5), seed=3), normal((count, batch, 5), seed=4)]
    outputs = build.op_many("LSTM", *inputs, outputs=3, hidden_size=5, direction=direction)
    return build, list(outputs)


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_all_an_lstm_gives_is_the_same(direction: str, state: bool, batch: int) -> None:
    build, (sequence, hidden, cell) = lstm(direction, state=state, batch=batch, bias=state)
    squeezed = build.op("ReduceSum", sequence, np.array([1], np.int64), keepdims=0)
    model = gives(build, 3, y=squeezed, h=hidden, c=cell)
    require_same(model, {"x": normal((4, batch, 3), seed=5)})


@pytest.mark.parametrize("output", [0, 1, 2])
def test_what_is_not_read_is_not_written(output: int) -> None:
    build, outputs = lstm("forward", steps=3)
    model = gives(build, 4 if output == 0 else 3, y=outputs[output])
    require_same(model, {"x": normal((3, 2, 3), seed=5)})


def test_a_run_remembers_nothing_of_the_run_before() -> None:
    build, (_, hidden, _) = lstm("forward")
    data = to_tflite(gives(build, 3, y=hidden))
    feeds = {"x": normal((4, 2, 3), seed=5)}
    first = litert_gives(data, feeds)["y"]
    np.testing.assert_array_equal(litert_gives(data, feeds)["y"], first)
