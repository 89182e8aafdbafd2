"""The gated recurrent unit: Cho et al., 2014, arXiv:1406.1078."""

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
from edgekit.autodiff.shapes import shape_of
from edgekit.graph.match import int_of


@vjp_of_many("GRU")
def gru(node: ir.Node, dys: Gradients, build: Backward) -> Gradients:
    """With the gates z, r, n: h = (1 - z) * n + z * h', r resetting n's share of h'."""
    cell = _reset_after if int_of(node, "linear_before_reset", 0) else _reset_before
    return recurrent(node, dys, build, activations=("sigmoid", "tanh"), cell=cell)


def _reset_after(layer: Direction, build: Backward) -> Slopes:
    """N = tanh(W x + r * (R h' + b)), as PyTorch has it."""
    from_input = columns(linear(layer.x, layer.weights, layer.biases[0], build), 3, build)
    from_state = columns(linear(layer.before, layer.recurrence, layer.biases[1], build), 3, build)
    z, r = _gates(from_input, from_state, build)
    n = build.op("Tanh", build.op("Add", from_input[2], build.op("Mul", r, from_state[2])))
    to_z, to_n = _first_slopes(layer, z, n, build)
    to_r = build.op("Mul", build.op("Mul", to_n, from_state[2]), slope_of_sigmoid(r, build))
    to_gates = layer.steps(build.concat([to_z, to_r, build.op("Mul", to_n, r)], 1), build)
    kept, outside = layer.steps(z, build), layer.gradients_of_states(build)
    at_state, states = [], []
    dh = layer.zeros(build)
    for step in reversed(range(len(kept))):
        dh = _with(dh, outside[step], build)
        at_gates = build.op("Mul", build.concat([dh, dh, dh], 1), to_gates[step])
        states.append(dh)
        at_state.append(at_gates)
        dh = _back(at_gates, layer.recurrence, build.op("Mul", dh, kept[step]), build)
    total = build.concat(at_state[::-1], 0)
    dz, dr, _ = columns(total, 3, build)
    dn = build.op("Mul", build.concat(states[::-1], 0), to_n)
    return Slopes(build.concat([dz, dr, dn], 1), total, outer(total, layer.before, build), dh)


def _reset_before(layer: Direction, build: Backward) -> Slopes:
    """N = tanh(W x + R (r * h') + b), as the paper has it."""
    of_gates, of_new = _cut(layer.recurrence, 0, build)
    bias = layer.biases[1]
    biases = (None, None) if bias is None else _cut(bias, 1, build)
    from_input = columns(linear(layer.x, layer.weights, layer.biases[0], build), 3, build)
    from_state = columns(linear(layer.before, of_gates, biases[0], build), 2, build)
    z, r = _gates(from_input, from_state, build)
    reset = build.op("Mul", r, layer.before)
    n = build.op("Tanh", build.op("Add", from_input[2], linear(reset, of_new, biases[1], build)))
    to_z, to_n = (layer.steps(value, build) for value in _first_slopes(layer, z, n, build))
    to_r = layer.steps(build.op("Mul", layer.before, slope_of_sigmoid(r, build)), build)
    kept, resets = layer.steps(z, build), layer.steps(r, build)
    outside = layer.gradients_of_states(build)
    at_gates, at_new = [], []
    dh = layer.zeros(build)
    for step in reversed(range(len(kept))):
        dh = _with(dh, outside[step], build)
        dn = build.op("Mul", dh, to_n[step])
        dreset = build.matmul(dn, of_new)
        dz, dr = build.op("Mul", dh, to_z[step]), build.op("Mul", dreset, to_r[step])
        at_gates.append(build.concat([dz, dr], 1))
        at_new.append(dn)
        direct = build.op("Mul", dh, kept[step])
        dh = build.add([direct, build.op("Mul", dreset, resets[step])])
        dh = _back(at_gates[-1], of_gates, dh, build)
    dgates, dnew = build.concat(at_gates[::-1], 0), build.concat(at_new[::-1], 0)
    total = build.concat([dgates, dnew], 1)
    recurrence = [outer(dgates, layer.before, build), outer(dnew, reset, build)]
    return Slopes(total, total, build.concat(recurrence, 0), dh)


def _gates(
    from_input: Sequence[ir.Value], from_state: Sequence[ir.Value], build: Backward
) -> tuple[ir.Value, ir.Value]:
    z, r = (
        build.op("Sigmoid", build.op("Add", from_input[gate], from_state[gate])) for gate in (0, 1)
    )
    return z, r


def _first_slopes(
    layer: Direction, z: ir.Value, n: ir.Value, build: Backward
) -> tuple[ir.Value, ir.Value]:
    """How the new state depends on what goes into the gate z, and into n."""
    to_z = build.op("Mul", build.op("Sub", layer.before, n), slope_of_sigmoid(z, build))
    return to_z, build.op("Mul", build.op("Sub", 1.0, z), slope_of_tanh(n, build))


def _with(dh: ir.Value, given: ir.Value | None, build: Backward) -> ir.Value:
    return dh if given is None else build.add([dh, given])


def _back(at_gates: ir.Value, recurrence: ir.Value, direct: ir.Value, build: Backward) -> ir.Value:
    """The gradient of the state before: through the gates, and direct."""
    return build.op("Gemm", at_gates, recurrence, direct, shape=shape_of(direct))


def _cut(value: ir.Value, axis: int, build: Backward) -> tuple[ir.Value, ir.Value]:
    """What belongs to the gates z and r, and what belongs to n."""
    total = shape_of(value)[axis]
    first, last = (
        build.cut(value, starts=[start], ends=[end], axes=[axis])
        for start, end in ((0, total // 3 * 2), (total // 3 * 2, total))
    )
    return first, last
