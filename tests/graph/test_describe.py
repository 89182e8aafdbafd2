"""What a model costs."""

import numpy as np
import onnx_ir as ir
import pytest

from edgekit.graph.build import GraphBuilder
from edgekit.graph.describe import describe


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_a_recurrent_layer_multiplies_every_row_by_its_weights_and_its_state(
    kind: str, gates: int
) -> None:
    steps, batch, inputs, hidden = 32, 2, 3, 24
    build = GraphBuilder("recurrent")
    x = build.input("x", np.float32, (steps, batch, inputs))
    weights = np.zeros((1, gates * hidden, inputs), np.float32)
    recurrence = np.zeros((1, gates * hidden, hidden), np.float32)
    y = build.op(kind, x, weights, recurrence, hidden_size=hidden)
    model = build.finish(y=(y, np.float32, (steps, 1, batch, hidden)))
    found = describe(ir.to_proto(model)).macs
    assert found == steps * batch * gates * hidden * (inputs + hidden)
