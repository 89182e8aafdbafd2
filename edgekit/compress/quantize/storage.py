"""How integer weights lie in the file: plainly, or so that they travel well.

LZMA codes a byte in eight binary decisions and pays at least 0.02 bits for each, even where it
could not be otherwise; small integers stored one a byte so cost 5 to 9 % more than their entropy.
Two in one byte cost 2 to 3 % more. onnxruntime unpacks them when it loads the model, by folding
ordinary Gather, Reshape and Slice nodes, so nothing of it is left when the model runs.
"""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.quantize.rounding import chosen_levels, every_level, round_nearest
from edgekit.compress.quantize.weights import Rounded
from edgekit.graph.edit import add_initializer, insert_before, set_constant

PACKED_LEVELS = 16
"""Two integers share a byte where there are at most so many levels."""
_WORTH_PACKING = 4096
"""Smaller layers are stored plainly: the nodes that unpack them take room too."""

_MOST_BIAS = 2**30
"""Half of what int32 holds: the other half is for the sum of products."""
_BEARABLE = 1 / 120
"""The mean squared error that fewer levels may add, in steps: a tenth of what rounding makes."""


def levels_that_travel(scaled: Array, *, limit: int) -> Array:
    """The levels to round to: few enough to be packed, where that leaves out little.

    Args:
        scaled: weights in units of their step.
        limit: the largest integer.
    """
    everything = every_level(limit)
    if scaled.size < _WORTH_PACKING:
        return everything
    few = chosen_levels(scaled, PACKED_LEVELS, limit=limit)
    left_out = float(np.mean((round_nearest(scaled, everything) - round_nearest(scaled, few)) ** 2))
    return few if left_out <= _BEARABLE else everything


def store_weights(
    model: ir.Model, rounded: Mapping[str, Rounded], scales: Mapping[str, float]
) -> None:
    """Stores rounded layers as int8 with a DequantizeLinear, and their biases as int32.

    Rows of weights so small that the bias would not fit lose precision that nobody sees.

    Args:
        model: changed in place; its weights are those of `rounded`, in float.
        rounded: by layer name.
        scales: of the value that each layer reads, by layer name.
    """
    for layer in linear_layers(model):
        if layer.name in rounded:
            _store(model, layer, rounded[layer.name], scales[layer.name])


def _store(model: ir.Model, layer: Layer, rounded: Rounded, input_scale: float) -> None:
    bias, axis = layer.bias, 0 if layer.rows_first else 1
    if bias is not None:
        rounded = _with_room_for(bias, rounded, input_scale)
    steps = rounded.steps.astype(np.float32)
    if (steps == steps[0]).all():
        steps = steps[0]
    weights = layer.shaped(rounded.integers).astype(np.int8)
    _dequantized(model, layer.node, 1, weights, steps, axis=axis)
    if bias is not None:
        scale = steps * np.float32(input_scale)
        integers = np.rint(bias / scale.astype(np.float64))
        _dequantized(model, layer.node, 2, integers.astype(np.int32), scale, axis=0)
    if len(rounded.levels) <= PACKED_LEVELS and weights.size >= _WORTH_PACKING:
        dequantize = layer.node.inputs[1].producer()  # type: ignore[union-attr]
        assert dequantize is not None
        _pack(model, dequantize, weights, rounded.levels)


def _with_room_for(bias: Array, rounded: Rounded, input_scale: float) -> Rounded:
    """The same with larger steps in rows whose bias would be beyond int32: theirs are tiny."""
    steps = np.maximum(rounded.steps, np.abs(bias) / (input_scale * _MOST_BIAS))
    shares = (rounded.steps / steps).reshape(*rounded.integers.shape[:2], 1)
    integers = np.rint(rounded.integers * shares).astype(np.int64)
    return Rounded(integers, steps, rounded.levels)


def _dequantized(
    model: ir.Model, node: ir.Node, index: int, integers: Array, scale: Array, *, axis: int
) -> None:
    """Lets an input of a node be a DequantizeLinear of constant integers."""
    value = set_constant(model, node, index, integers, dtype=integers.dtype)
    step = add_initializer(model, f"{value.name}_scale", np.asarray(scale, np.float32))
    parameters = [value, step]
    if integers.dtype == np.int8 and node.op_type != "Conv":
        # onnxruntime 1.31 makes a QGemm or MatMulInteger only of weights with a zero point
        zeros = np.zeros(np.shape(scale), np.int8)
        parameters.append(add_initializer(model, f"{value.name}_zero_point", zeros))
    attributes = {"axis": axis} if np.ndim(scale) else {}
    dequantize = ir.node("DequantizeLinear", parameters, attributes)
    dequantize.outputs[0].type = ir.TensorType(ir.DataType.FLOAT)
    insert_before(model, node, index, [dequantize])


def _pack(model: ir.Model, dequantize: ir.Node, weights: Array, levels: Array) -> None:
    """Lets a DequantizeLinear read integers of which two lie in each byte."""
    places = np.searchsorted(levels, weights.reshape(-1)).astype(np.uint8)
    if len(places) % 2:
        places = np.append(places, np.uint8(np.searchsorted(levels, 0)))
    pairs = places.reshape(-1, 2)
    packed = set_constant(model, dequantize, 0, (pairs[:, 0] << 4) | pairs[:, 1], dtype=np.uint8)
    codes = np.arange(len(levels) << 4)
    second = np.minimum(codes & 15, len(levels) - 1)
    table = np.stack([levels[codes >> 4], levels[second]], axis=1).astype(np.int8)
    unpacked = add_initializer(model, f"{packed.name}_pairs", table)
    cast = ir.node("Cast", [packed], {"to": ir.DataType.INT32})
    gather = ir.node("Gather", [unpacked, cast.outputs[0]], {"axis": 0})
    nodes, shapes = [cast, gather], [pairs.shape[:1], pairs.shape]
    if weights.size % 2:
        flat = add_initializer(model, f"{packed.name}_flat", np.array([-1], np.int64))
        start = add_initializer(model, f"{packed.name}_start", np.array([0], np.int64))
        end = add_initializer(model, f"{packed.name}_count", np.array([weights.size], np.int64))
        nodes.append(ir.node("Reshape", [nodes[-1].outputs[0], flat]))
        nodes.append(ir.node("Slice", [nodes[-1].outputs[0], start, end]))
        shapes += [(pairs.size,), (weights.size,)]
    shape = add_initializer(model, f"{packed.name}_shape", np.array(weights.shape, np.int64))
    nodes.append(ir.node("Reshape", [nodes[-1].outputs[0], shape]))
    for place, (node, known) in enumerate(zip(nodes, [*shapes, weights.shape], strict=True)):
        value, kind = node.outputs[0], ir.DataType.INT32 if node is cast else ir.DataType.INT8
        value.name, value.shape = f"{packed.name}_{place}", ir.Shape(known)
        value.type = ir.TensorType(kind)
    insert_before(model, dequantize, 0, nodes)
