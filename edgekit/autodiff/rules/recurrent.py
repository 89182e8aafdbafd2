"""What LSTM and GRU share: directions, sequences as stacked steps, and the gradients of weights.

The forward node stays as it is. All its gates are computed anew from the states that it gives out,
for every step at once; only what depends on the step after is done step by step. This is
back-propagation through time: Werbos, 1990, Proceedings of the IEEE 78:1550-1560.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.registry import Gradients
from edgekit.autodiff.shapes import operand, optional, shape_of, where
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import int_of, string_of


@dataclass(frozen=True)
class Direction:
    """One direction of a layer, its steps in the order in which it takes them.

    What there is a row of for each sample of each step has T * B rows, the first step's first.

    Attributes:
        batch: B.
        hidden: H, the size of the state; G is the number of gates.
        x: `[T * B, I]`.
        weights: `[G * H, I]`, for the input.
        recurrence: `[G * H, H]`, for the state.
        biases: of both, `[1, G * H]`.
        before: the state before each step, `[T * B, H]`.
        cell: the cell before the first step, `[B, H]`, where there is such.
        dy: the gradient of the state after each step, `[T * B, H]`.
        last: the gradient of the last state, `[B, H]`.
        last_cell: the gradient of the last cell, `[B, H]`.
    """

    batch: int
    hidden: int
    x: ir.Value
    weights: ir.Value
    recurrence: ir.Value
    biases: tuple[ir.Value | None, ir.Value | None]
    before: ir.Value
    cell: ir.Value | None
    dy: ir.Value | None
    last: ir.Value | None
    last_cell: ir.Value | None

    def steps(self, value: ir.Value, build: Backward) -> Sequence[ir.Value]:
        """The rows of each step, `[B, ...]`."""
        rows, columns = shape_of(value)
        count = rows // self.batch
        if count == 1:
            return [value]
        return build.op_many(
            "Split",
            value,
            np.full(count, self.batch),
            outputs=count,
            shapes=[(self.batch, columns)] * count,
            dtypes=[value.dtype] * count,
            axis=0,
        )

    def gradients_of_states(self, build: Backward) -> Sequence[ir.Value | None]:
        """What each step's state gets from outside the layer."""
        count = shape_of(self.before)[0] // self.batch
        found: list[ir.Value | None] = [None] * count
        if self.dy is not None:
            found = list(self.steps(self.dy, build))
        if self.last is not None:
            end = found[-1]
            found[-1] = self.last if end is None else build.add([end, self.last])
        return found

    def zeros(self, build: Backward) -> ir.Value:
        """A state of zeros, `[B, H]`."""
        return _zeros((self.batch, self.hidden), self.x, build)


@dataclass(frozen=True)
class Slopes:
    """The gradients inside one direction.

    Attributes:
        at_input: of `weights @ x + bias`, `[T * B, G * H]`.
        at_state: of what comes from the state, `[T * B, G * H]`.
        recurrence: of the weights for the state, `[G * H, H]`.
        state: of the state before the first step, `[B, H]`.
        cell: of the cell before the first step, `[B, H]`.
    """

    at_input: ir.Value
    at_state: ir.Value
    recurrence: ir.Value
    state: ir.Value
    cell: ir.Value | None = None


Cell: TypeAlias = Callable[[Direction, Backward], Slopes]


def recurrent(
    node: ir.Node, dys: Gradients, build: Backward, *, activations: Sequence[str], cell: Cell
) -> Gradients:
    """The gradients of a recurrent layer, given those inside each of its directions.

    Args:
        node: LSTM or GRU.
        dys: of Y, Y_h and Y_c.
        build: takes the nodes.
        activations: the operator's default ones, in a direction.
        cell: finds the gradients inside a direction.

    Raises:
        UnsupportedModel: the node has other activations, `sequence_lens`, peepholes, `clip`,
            `input_forget` or the layout with the batch first.
    """
    _require_plain(node, activations)
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}
    parts = []
    for index, back in enumerate(backwards[string_of(node, "direction", "forward").lower()]):
        direction = _direction(node, dys, index, back, build)
        slopes = cell(direction, build)
        parts.append(_of_inputs(node, direction, slopes, back, build))
    dx = build.add([part[0] for part in parts])
    stacked = [build.concat(list(same), 0) for same in zip(*(p[1:4] for p in parts), strict=True)]
    states = [build.concat(list(same), 0) for same in zip(*(p[4:] for p in parts), strict=True)]
    return dx, *stacked, None, *states


def outer(left: ir.Value, right: ir.Value, build: Backward) -> ir.Value:
    """`left^T @ right`: products of rows, summed over steps and samples."""
    shape = (shape_of(left)[1], shape_of(right)[1])
    return build.op("Gemm", left, right, shape=shape, transA=1)


def linear(x: ir.Value, weights: ir.Value, bias: ir.Value | None, build: Backward) -> ir.Value:
    """`x @ weights^T + bias`."""
    shape = (shape_of(x)[0], shape_of(weights)[0])
    terms = [x, weights] if bias is None else [x, weights, bias]
    return build.op("Gemm", *terms, shape=shape, transB=1)


def columns(value: ir.Value, count: int, build: Backward) -> Sequence[ir.Value]:
    """A matrix cut into `count` equal parts side by side."""
    rows, width = shape_of(value)
    return build.op_many(
        "Split",
        value,
        np.full(count, width // count),
        outputs=count,
        shapes=[(rows, width // count)] * count,
        dtypes=[value.dtype] * count,
        axis=1,
    )


def slope_of_sigmoid(y: ir.Value, build: Backward) -> ir.Value:
    """Y (1 - y)."""
    return build.op("Mul", y, build.op("Sub", 1.0, y))


def slope_of_tanh(y: ir.Value, build: Backward) -> ir.Value:
    """1 - y^2."""
    return build.op("Sub", 1.0, build.op("Mul", y, y))


def _require_plain(node: ir.Node, activations: Sequence[str]) -> None:
    given = node.attributes.get("activations")
    names = [] if given is None else [str(name).lower() for name in given.as_strings()]
    times = len(names) // len(activations)
    reasons = {
        "activations other than the default": names != list(activations) * times,
        "sequence_lens": optional(node, 4) is not None,
        "peephole weights": optional(node, 7) is not None,
        "clip": "clip" in node.attributes,
        "input_forget": bool(int_of(node, "input_forget", 0)),
        "the layout with the batch first": bool(int_of(node, "layout", 0)),
    }
    for reason, holds in reasons.items():
        if holds:
            raise UnsupportedModel(f"{where(node)} cannot be differentiated: it has {reason}")


def _direction(node: ir.Node, dys: Gradients, index: int, back: bool, build: Backward) -> Direction:
    x, weights = operand(node, 0), operand(node, 1)
    steps, batch, _ = shape_of(x)
    directions, _, hidden = shape_of(operand(node, 2))
    y = build.forward_output(node, 0, shape=(steps, directions, batch, hidden), dtype=x.dtype)
    dy, last, last_cell = (*dys, None, None)[:3]
    bias = _part(optional(node, 3), index, build)
    halves: Sequence[ir.Value | None] = (None, None)
    if bias is not None:
        halves = columns(bias, 2, build)
    initial = _part(optional(node, 5), index, build)
    first = _zeros((batch, hidden), x, build) if initial is None else initial
    states = _rows(y, index, back, build)
    before = build.cut(states, starts=[0], ends=[(steps - 1) * batch], axes=[0])
    return Direction(
        batch=batch,
        hidden=hidden,
        x=_flat(build.reverse(x, [0]) if back else x, build),
        weights=_matrix(weights, index, build),
        recurrence=_matrix(operand(node, 2), index, build),
        biases=(halves[0], halves[1]),
        before=first if steps == 1 else build.concat([first, before], 0),
        cell=_part(optional(node, 6), index, build),
        dy=None if dy is None else _rows(dy, index, back, build),
        last=_part(last, index, build),
        last_cell=_part(last_cell, index, build),
    )


def _of_inputs(
    node: ir.Node, direction: Direction, slopes: Slopes, back: bool, build: Backward
) -> list[ir.Value]:
    """The gradients of a direction's share of X, W, R, B, initial_h and initial_c."""
    x = operand(node, 0)
    dx = build.reshape(build.matmul(slopes.at_input, direction.weights), shape_of(x))
    biases = [build.sum(part, [0]) for part in (slopes.at_input, slopes.at_state)]
    stacked = [outer(slopes.at_input, direction.x, build), slopes.recurrence]
    states = [slopes.state, *([] if slopes.cell is None else [slopes.cell])]
    return [
        build.reverse(dx, [0]) if back else dx,
        *(build.reshape(value, (1, *shape_of(value))) for value in stacked),
        build.concat(biases, 1),
        *(build.reshape(value, (1, *shape_of(value))) for value in states),
    ]


def _rows(value: ir.Value, index: int, back: bool, build: Backward) -> ir.Value:
    """One direction of `[T, D, B, H]` as `[T * B, H]`, in the order in which steps are taken."""
    steps, _, batch, hidden = shape_of(value)
    value = build.cut(value, starts=[index], ends=[index + 1], axes=[1])
    if back:
        value = build.reverse(value, [0])
    return build.reshape(value, (steps * batch, hidden))


def _part(value: ir.Value | None, index: int, build: Backward) -> ir.Value | None:
    """One direction of `[D, B, H]`, or of the biases `[D, n]` as `[1, n]`."""
    if value is None:
        return None
    part = build.cut(value, starts=[index], ends=[index + 1], axes=[0])
    return part if len(shape_of(part)) == 2 else build.reshape(part, shape_of(part)[1:])


def _matrix(value: ir.Value, index: int, build: Backward) -> ir.Value:
    part = build.cut(value, starts=[index], ends=[index + 1], axes=[0])
    return build.reshape(part, shape_of(part)[1:])


def _flat(value: ir.Value, build: Backward) -> ir.Value:
    steps, batch, width = shape_of(value)
    return build.reshape(value, (steps * batch, width))


def _zeros(shape: tuple[int, int], like: ir.Value, build: Backward) -> ir.Value:
    return build.expand(build.constant(np.zeros((1, 1)), dtype=like.dtype), shape)
