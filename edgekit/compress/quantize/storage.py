"""How integer weights lie in the file: plainly, or so that they travel well."""

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.quantize.packing import PACKED_LEVELS, pack, pack_coded
from edgekit.compress.quantize.rounding import chosen_levels, every_level, round_nearest
from edgekit.compress.quantize.trellis import Coded
from edgekit.compress.quantize.weights import Rounded
from edgekit.graph.edit import add_initializer, insert_before, set_constant

_WORTH_PACKING = 4096
"""Smaller layers are stored plainly: the nodes that unpack them take room too."""
_CODING_BYTES, _CHANNEL_BYTES = 300, 1.2
"""What a trellis takes when it travels: its nodes, and each channel's place in the order."""

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


def levels_for_trellis(scaled: Array, *, limit: int) -> Array | None:
    """The indices to walk through, or None where there can be no trellis.

    Args:
        scaled: weights `[groups, outputs a group, K]` in units of the coarse step.
        limit: the largest integer, which is twice an index.
    """
    groups, _, columns = scaled.shape
    if groups > 1 or columns % 2 or scaled.size < _WORTH_PACKING:
        return None
    levels = levels_that_travel(scaled, limit=limit // 2)
    return levels if (levels % 2).any() else None


def coding_bytes(coded: Coded | None) -> float:
    """About what a layer takes, besides its weights, because it is coded."""
    return 0.0 if coded is None else _CODING_BYTES + _CHANNEL_BYTES * len(coded.order)


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
    dequantize = layer.node.inputs[1].producer()  # type: ignore[union-attr]
    assert dequantize is not None
    if rounded.coded is not None:
        pack_coded(
            model,
            dequantize,
            rounded.coded,
            rounded.levels,
            kernel=weights.shape[2:],
            rows_first=layer.rows_first,
        )
    elif len(rounded.levels) <= PACKED_LEVELS and weights.size >= _WORTH_PACKING:
        pack(model, dequantize, weights, rounded.levels)


def _with_room_for(bias: Array, rounded: Rounded, input_scale: float) -> Rounded:
    """The same with larger steps in rows whose bias would be beyond int32: theirs are tiny."""
    steps = np.maximum(rounded.steps, np.abs(bias) / (input_scale * _MOST_BIAS))
    if (steps == rounded.steps).all():
        return rounded
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
