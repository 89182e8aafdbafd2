"""Moves a scale and a shift a channel into the weights and bias of a Conv or Gemm beside them."""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.edit import set_constant
from edgekit.graph.match import (
    constant,
    float_of,
    input_of,
    int_of,
    ints_of,
    is_op,
    string_of,
)


@dataclass(frozen=True)
class Affine:
    """A node `y = W x + b` whose weights and bias are constants.

    Attributes:
        node: a Conv, ConvTranspose or Gemm.
        weights: as the node stores them.
        bias: one number an output channel or, of a Gemm, whatever broadcasts to its output, already
            times beta; zeros where the node has none.
        outputs: how many output channels.
        inputs: how many input channels.
    """

    node: ir.Node
    weights: Array
    bias: Array
    outputs: int
    inputs: int

    @classmethod
    def of(cls, node: ir.Node | None) -> "Affine | None":
        """What a node is, or `None` if it is no such node, or something in it is not constant."""
        if node is None or not is_op(node, "Conv", "ConvTranspose", "Gemm"):
            return None
        weights, given = constant(input_of(node, 1)), input_of(node, 2)
        if weights is None or weights.dtype.kind != "f":
            return None
        group = int_of(node, "group", 1)
        if node.op_type == "Gemm":
            axis = 0 if int_of(node, "transB", 0) else 1
            outputs, inputs = weights.shape[axis], weights.shape[1 - axis]
        elif node.op_type == "Conv":
            outputs, inputs = weights.shape[0], weights.shape[1] * group
        else:
            outputs, inputs = weights.shape[1] * group, weights.shape[0]
        bias: Array | None = np.zeros(outputs)
        if given is not None:
            bias = constant(given)
            if bias is None:
                return None
            if node.op_type == "Gemm":
                bias = bias * float_of(node, "beta", 1.0)
        assert bias is not None
        return cls(node, weights, bias, outputs, inputs)

    @property
    def rank(self) -> int:
        """How many axes its input and output have; the channels are axis 1."""
        return self.weights.ndim

    @property
    def has_padding(self) -> bool:
        """Whether its input may be padded with zeros, which a shift of the input would change."""
        automatic = string_of(self.node, "auto_pad", "NOTSET")
        return automatic.startswith("SAME") or any(ints_of(self.node, "pads") or ())

    @property
    def output_axis(self) -> int:
        """The axis of the weights that counts output channels, where there is one group."""
        if self.node.op_type == "Gemm":
            return 0 if int_of(self.node, "transB", 0) else 1
        return 0 if self.node.op_type == "Conv" else 1

    def change_output(self, model: ir.Model, scale: Array, shift: Array) -> bool:
        """Makes the output `y * scale + shift`, each of shape [outputs], in float64.

        Returns:
            Whether it did: not where the weights' type cannot hold the result.
        """
        weights = self.weights * self._along(scale, output=True)
        return self.store(model, weights, self.bias * scale + shift)

    def change_input(self, model: ir.Model, scale: Array, shift: Array) -> bool:
        """Lets the node take `x` where it took `x * scale + shift`, each of shape [inputs].

        Returns:
            Whether it did: not a ConvTranspose or a transposed input, not a shift where the
            input is padded, and not where the weights' type cannot hold the result.
        """
        node = self.node
        if node.op_type == "ConvTranspose" or int_of(node, "transA", 0):
            return False
        bias = self.bias
        if shift.any():
            if node.op_type == "Conv" and self.has_padding:
                return False
            moved = self.weights * self._along(shift, output=False)
            others = tuple(axis for axis in range(moved.ndim) if axis != self.output_axis)
            bias = bias + moved.sum(axis=others) * float_of(node, "alpha", 1.0)
        return self.store(model, self.weights * self._along(scale, output=False), bias)

    def _along(self, channels: Array, *, output: bool) -> Array:
        """One number a channel, in float64, shaped so that it multiplies the weights."""
        group, (first, second) = int_of(self.node, "group", 1), self.weights.shape[:2]
        if self.node.op_type == "Gemm":
            is_first = output == (self.output_axis == 0)
            return channels[:, np.newaxis] if is_first else channels
        if output and self.node.op_type == "Conv":
            each = channels[:, np.newaxis]
        else:  # axis 1 counts within a group, and the groups lie one after another on axis 0
            each = np.repeat(channels.reshape(group, second), first // group, axis=0)
        return each.reshape(*each.shape, *[1] * (self.rank - 2))

    def store(self, model: ir.Model, weights: Array, bias: Array) -> bool:
        """Gives the node other weights and another bias, of the type it has.

        Returns:
            Whether it did: not where that type cannot hold the numbers.
        """
        dtype = self.weights.dtype
        with np.errstate(over="ignore"):
            stored, stored_bias = weights.astype(dtype), bias.astype(dtype)
        if not (np.isfinite(stored).all() and np.isfinite(stored_bias).all()):
            return False
        if not np.array_equal(stored, self.weights):
            set_constant(model, self.node, 1, stored, dtype=dtype)
        if input_of(self.node, 2) is not None or stored_bias.any():
            if "beta" in self.node.attributes:
                del self.node.attributes["beta"]
            set_constant(model, self.node, 2, stored_bias, dtype=dtype)
        return True


def scale_and_shift(
    node: ir.Node, *, rank: int, channels: int, shape_is_known: bool = True
) -> tuple[ir.Value, Array, Array] | None:
    """`(x, scale, shift)` where a node is `x * scale + shift` with one constant a channel.

    Scale and shift are float64 [channels]. `None` where the node is no Add, Sub, Mul or Div, or its
    other operand is not constant, not finite, varies along another axis than 1, or would broadcast.

    Args:
        node: any node.
        rank: how many axes x has.
        channels: how many channels x has.
        shape_is_known: whether x surely has that many channels; if not, its shape must say so
            unless the constant is one number.
    """
    if not is_op(node, "Add", "Sub", "Mul", "Div"):
        return None
    place = 0 if constant(node.inputs[0]) is not None else 1
    value, operand = node.inputs[1 - place], constant(node.inputs[place])
    array = None if operand is None else _per_channel(operand, rank, channels)
    if value is None or operand is None or array is None or constant(value) is not None:
        return None
    if not shape_is_known and operand.size > 1:
        known = None if value.shape is None or len(value.shape) < 2 else value.shape[1]
        if known != channels:
            return None
    zeros, ones = np.zeros(channels), np.ones(channels)
    if node.op_type == "Add":
        return value, ones, array
    if node.op_type == "Sub":
        return (value, -ones, array) if place == 0 else (value, ones, -array)
    if node.op_type == "Mul":
        return value, array, zeros
    return None if place == 0 or not array.all() else (value, 1 / array, zeros)


def _per_channel(array: Array, rank: int, channels: int) -> Array | None:
    if array.dtype.kind != "f" or array.ndim > rank:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if any(axis != 1 for place, axis in enumerate(shape) if place != 1):
        return None
    if shape[1] not in (1, channels) or not np.isfinite(array).all():
        return None
    return np.broadcast_to(array.reshape(-1).astype(np.float64), channels).copy()
