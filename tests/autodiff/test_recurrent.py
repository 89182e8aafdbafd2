"""Gradients of LSTM and GRU."""

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.errors import UnsupportedModel
from edgekit.graph.build import GraphBuilder
from tests.autodiff.differences import check, model_of, normal

DIRECTIONS = {"forward": 1, "reverse": 1, "bidirectional": 2}


def layer(
    kind: str, direction: str, optional: set[str], *, steps: int, batch: int, size: int, hidden: int
) -> dict[str, Array]:
    """The inputs of a recurrent layer by name."""
    gates, count = {"LSTM": 4, "GRU": 3}[kind], DIRECTIONS[direction]
    inputs = {
        "x": normal(steps, batch, size),
        "w": normal(count, gates * hidden, size, seed=1),
        "r": normal(count, gates * hidden, hidden, seed=2),
        "b": normal(count, 2 * gates * hidden, seed=3),
        "h": normal(count, batch, hidden, seed=4),
        "c": normal(count, batch, hidden, seed=5),
    }
    return {name: array for name, array in inputs.items() if name in {"x", "w", "r"} | optional}


@given(
    st.data(),
    st.sampled_from(sorted(DIRECTIONS)),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
)
@settings(max_examples=50, deadline=None)
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_layer_of_any_form(
    kind: str, data: st.DataObject, direction: str, steps: int, batch: int, size: int, hidden: int
) -> None:
    optional = data.draw(st.sets(st.sampled_from(["b", "h", *(["c"] if kind == "LSTM" else [])])))
    read = data.draw(st.sets(st.integers(0, 2 if kind == "LSTM" else 1), min_size=1))
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = data.draw(st.integers(0, 1))
    inputs = layer(kind, direction, optional, steps=steps, batch=batch, size=size, hidden=hidden)

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        have = dict(zip(inputs, values, strict=True))
        operands = [have.get(name) for name in ("x", "w", "r", "b", "", "h", "c")]
        outputs = build.op_many(
            kind,
            *operands[: 7 if kind == "LSTM" else 6],
            outputs=3 if kind == "LSTM" else 2,
            **attributes,
        )
        flat = [build.op("Reshape", outputs[index], np.array([-1])) for index in sorted(read)]
        return build.op("Concat", *flat, axis=0)

    check(net, inputs)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_a_layer_of_which_only_the_last_state_is_asked_for(kind: str) -> None:
    inputs = layer(kind, "forward", set(), steps=3, batch=2, size=2, hidden=3)

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        states = build.op_many(kind, *values, outputs=2, hidden_size=3)
        states[0].name = ""
        return states[1]

    check(net, inputs)


@pytest.mark.parametrize(
    ("more", "attributes", "says"),
    [
        ([], {"activations": ["Sigmoid", "Relu", "Tanh"]}, "activations"),
        ([], {"clip": 1.0}, "clip"),
        ([], {"layout": 1}, "layout"),
        ([None, np.array([2, 2], np.int32)], {}, "sequence_lens"),
        ([None, None, None, None, np.ones((1, 9), np.float32)], {}, "peephole"),
    ],
)
def test_what_is_out_of_the_ordinary_is_refused_by_name(
    more: list[Any], attributes: dict[str, Any], says: str
) -> None:
    inputs = layer("LSTM", "forward", set(), steps=2, batch=2, size=3, hidden=3)

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        return build.op("LSTM", *values, *more, hidden_size=3, **attributes)

    model = model_of(net, inputs)
    next(iter(model.graph)).name = "memory"
    with pytest.raises(UnsupportedModel, match=f"LSTM node 'memory' .*{says}"):
        gradients(model, "y", ["x"], seed="dy")


def test_default_activations_may_be_spelled_out() -> None:
    inputs = layer("GRU", "bidirectional", set(), steps=2, batch=1, size=2, hidden=2)
    names = ["Sigmoid", "Tanh", "sigmoid", "tanh"]

    def net(build: GraphBuilder, *values: ir.Value) -> ir.Value:
        how = {"hidden_size": 2, "direction": "bidirectional"}
        return build.op("GRU", *values, **how, activations=names)

    check(net, inputs)
