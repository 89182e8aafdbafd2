"""The long short-term memory: Hochreiter and Schmidhuber, 1997, Neural Computation 9:1735-1780."""

from collections.abc import Sequence

import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients, vjp_of_many
from edgekit.autodiff.rules.recurrent import (
    Direction,
    Slopes,
    columns,
    linear,
    outer,
    recurrent,
    slope_of_sigmoid,
    slope_of_tanh,
)


@vjp_of_many("LSTM")
def lstm(node: ir.Node, dys: Gradients, build: Backward) -> Gradients:
    """With the gates i, o, f, g: c = f * c' + i * g and h = o * tanh(c)."""
    return recurrent(node, dys, build, activations=("sigmoid", "tanh", "tanh"), cell=_slopes)


def _slopes(layer: Direction, build: Backward) -> Slopes:
    from_input = linear(layer.x, layer.weights, layer.biases[0], build)
    from_state = linear(layer.before, layer.recurrence, layer.biases[1], build)
    gates = columns(build.op("Add", from_input, from_state), 4, build)
    i, o, f = (build.op("Sigmoid", gate) for gate in gates[:3])
    g = build.op("Tanh", gates[3])
    kept = layer.steps(f, build)
    cells = _cells(layer, kept, build.op("Mul", i, g), build)
    squashed = build.op("Tanh", build.concat(cells[1:], 0))
    to_cell = layer.steps(build.op("Mul", o, slope_of_tanh(squashed, build)), build)
    slopes = [
        build.op("Mul", g, slope_of_sigmoid(i, build)),
        build.op("Mul", squashed, slope_of_sigmoid(o, build)),
        build.op("Mul", build.concat(cells[:-1], 0), slope_of_sigmoid(f, build)),
        build.op("Mul", i, slope_of_tanh(g, build)),
    ]
    to_gates = layer.steps(build.concat(slopes, 1), build)
    outside = layer.gradients_of_states(build)
    found: list[ir.Value] = []
    dh, dc = layer.zeros(build), layer.last_cell or layer.zeros(build)
    for step in reversed(range(len(kept))):
        given = outside[step]
        if given is not None:
            dh = given if step == len(kept) - 1 else build.add([dh, given])
        dc = build.add([dc, build.op("Mul", dh, to_cell[step])])
        at_gates = build.op("Mul", build.concat([dc, dh, dc, dc], 1), to_gates[step])
        dc = build.op("Mul", dc, kept[step])
        dh = build.matmul(at_gates, layer.recurrence)
        found.append(at_gates)
    total = build.concat(found[::-1], 0)
    return Slopes(total, total, outer(total, layer.before, build), dh, dc)


def _cells(
    layer: Direction, kept: Sequence[ir.Value], added: ir.Value, build: Backward
) -> list[ir.Value]:
    """The cell before the first step, and after each."""
    cells = [layer.cell or layer.zeros(build)]
    for share, new in zip(kept, layer.steps(added, build), strict=True):
        cells.append(build.op("Add", build.op("Mul", share, cells[-1]), new))
    return cells
