"""LSTM, unrolled: TFLite's own keeps its state from one run to the next, ONNX's starts afresh."""

from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.convert import schema
from edgekit.convert.layout import as_in_onnx
from edgekit.convert.op import Op
from edgekit.convert.writer import Tensor

_DEFAULT_ACTIVATIONS = ("sigmoid", "tanh", "tanh")


@dataclass(frozen=True)
class _State:
    """What goes from step to step, `[batch, hidden]`; `None` is zeros."""

    hidden: Tensor | None
    cell: Tensor | None


def lstm(op: Op) -> None:
    """Writes an LSTM of one or two directions, a step at a time."""
    _require_plain(op)
    steps, batch, width = op.shape(0)
    hidden = op.shape(2)[2]
    direction = op.text("direction", "forward")
    x = op.read(0, as_in_onnx(3))
    flat = op.reshaped(x, (steps * batch, width))
    sequences, ends = [], []
    for number in range(op.shape(1)[0]):
        backwards = direction == "reverse" or number == 1
        terms = _input_terms(op, flat, number, (steps, batch, 4 * hidden))
        state = _State(_initial(op, 5, number), _initial(op, 6, number))
        given: list[Tensor | None] = [None] * steps
        for step in reversed(range(steps)) if backwards else range(steps):
            state = _step(op, terms[step], state, number, hidden)
            given[step] = state.hidden
        sequences.append([tensor for tensor in given if tensor is not None])
        ends.append(state)
    _give_sequences(op, sequences)
    _give_ends(op, 1, [state.hidden for state in ends])
    _give_ends(op, 2, [state.cell for state in ends])


def _require_plain(op: Op) -> None:
    if op.input(4) is not None or op.input(7) is not None:
        raise op.unsupported("with sequence lengths or peepholes")
    if op.integer("layout", 0) or op.integer("input_forget", 0) or "clip" in op.node.attributes:
        raise op.unsupported("with layout, input_forget or clip")
    chosen = op.node.attributes.get_strings("activations", ())
    if any(name.lower() not in _DEFAULT_ACTIVATIONS for name in chosen) or (
        chosen and tuple(name.lower() for name in chosen[:3]) != _DEFAULT_ACTIVATIONS
    ):
        raise op.unsupported(f"with the activations {list(chosen)}")
    for index in (1, 2):
        op.constant(index, "weights")


def _input_terms(op: Op, flat: Tensor, number: int, shape: tuple[int, int, int]) -> list[Tensor]:
    """What the inputs add to the gates at each step: one product for all steps."""
    kernel = op.weights(1, op.constant(1, "weights")[number].astype(np.float32))
    bias = np.zeros(shape[2], np.float32)
    if op.input(3) is not None:
        bias = op.constant(3, "biases")[number].reshape(2, -1).sum(0)
    terms = _dense(op, flat, kernel, bias)
    options = schema.options("Unpack", num=shape[0], axis=0)
    return op.emit_many("UNPACK", [op.reshaped(terms, shape)], [shape[1:]] * shape[0], options)


def _step(op: Op, terms: Tensor, state: _State, number: int, hidden: int) -> _State:
    if state.hidden is not None:
        kernel = op.weights(2, op.constant(2, "weights")[number].astype(np.float32))
        recurrent = _dense(op, state.hidden, kernel, np.zeros(4 * hidden, np.float32))
        terms = _both(op, "ADD", "Add", terms, recurrent)
    gates, candidate = op.cut(terms, 1, [3 * hidden, hidden])
    gates = op.emit("LOGISTIC", [gates], gates.shape)
    candidate = op.emit("TANH", [candidate], candidate.shape)
    enter, leave, keep = op.cut(gates, 1, [hidden] * 3)
    cell = _both(op, "MUL", "Mul", enter, candidate)
    if state.cell is not None:
        cell = _both(op, "ADD", "Add", _both(op, "MUL", "Mul", keep, state.cell), cell)
    shown = op.emit("TANH", [cell], cell.shape)
    return _State(_both(op, "MUL", "Mul", leave, shown), cell)


def _initial(op: Op, index: int, number: int) -> Tensor | None:
    """A direction's first state, `None` where it is zeros."""
    if op.input(index) is None:
        return None
    known = op.array(index)
    if known is not None:
        return op.fixed("state", known[number], np.float32) if known.any() else None
    state = op.read(index, as_in_onnx(3))
    shape = (1, *state.shape[1:])
    inputs = [state, op.fixed("begin", (number, 0, 0)), op.fixed("size", shape)]
    return op.reshaped(op.emit("SLICE", inputs, shape), shape[1:])


def _give_sequences(op: Op, sequences: list[list[Tensor]]) -> None:
    if not _is_read(op, 0):
        return
    whole = [_packed(op, sequence, 0) for sequence in sequences]
    op.give(_packed(op, whole, 1), as_in_onnx(4))


def _give_ends(op: Op, output: int, ends: list[Tensor | None]) -> None:
    if _is_read(op, output):
        known = [tensor for tensor in ends if tensor is not None]
        op.give(_packed(op, known, 0), as_in_onnx(3), output)


def _is_read(op: Op, output: int) -> bool:
    if output >= len(op.node.outputs):
        return False
    value = op.node.outputs[output]
    return bool(value.uses()) or value.is_graph_output()


def _packed(op: Op, parts: list[Tensor], axis: int) -> Tensor:
    shape = (*parts[0].shape[:axis], len(parts), *parts[0].shape[axis:])
    if len(parts) == 1:
        return op.reshaped(parts[0], shape)
    return op.emit("PACK", parts, shape, schema.options("Pack", valuesCount=len(parts), axis=axis))


def _dense(op: Op, x: Tensor, kernel: Tensor, bias: Array) -> Tensor:
    options = schema.options(
        "FullyConnected", keepNumDims=False, fusedActivationFunction=schema.activation("NONE")
    )
    shape = (x.shape[0], kernel.shape[0])
    inputs = [x, kernel, op.fixed("bias", bias, np.float32)]
    return op.emit("FULLY_CONNECTED", inputs, shape, options)


def _both(op: Op, code: str, kind: str, left: Tensor, right: Tensor) -> Tensor:
    return op.emit(code, [left, right], left.shape, schema.unfused(kind))
