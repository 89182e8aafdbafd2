"""Removes channels that carry nothing."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.graph.edit import set_constant
from edgekit.graph.match import float_of, int_of, is_op, static_shape
from edgekit.graph.passes.affine import Affine
from edgekit.graph.passes.channel_flow import Flow, Place, Reading
from edgekit.graph.passes.graph_pass import GraphPass

_T = TypeVar("_T", Affine, ir.Value)


class RemoveDeadChannels(GraphPass):
    """Removes output channels of a Conv or Gemm that are constant, or that no weight reads.

    A channel whose weights are all zero is its bias everywhere; what becomes of that behind
    activations, pools and depthwise Convs is added to the bias of the layers that read it.

    Leaves a channel alone where it is not zero and the layer that reads it pads; and all channels
    of a layer that reach a public output, a sum or product with another value, or a layer whose
    weights are not constant. One channel of a layer always stays.
    """

    def rewrite(self, model: ir.Model, node: ir.Node) -> bool:
        """Cuts the dead channels of one layer."""
        layer = Affine.of(node) if is_op(node, "Conv", "Gemm") else None
        if layer is None or int_of(node, "group", 1) != 1:
            return False
        if layer.bias.size not in (1, layer.outputs):
            return False
        flow = Flow.of(layer, _constant_channels(layer))
        dead = np.zeros(0, np.int64) if flow is None else _dead(layer, flow)
        if flow is None or not len(dead):
            return False
        biases = _biases(flow, dead)
        if biases is None:
            return False
        _cut(model, layer, flow, dead, biases)
        return True


def _constant_channels(layer: Affine) -> Array:
    """Float64 [outputs]: the bias of a channel whose weights are all zero, NaN for the others."""
    others = tuple(axis for axis in range(layer.rank) if axis != layer.output_axis)
    bias = np.broadcast_to(layer.bias.reshape(-1).astype(np.float64), layer.outputs)
    return np.where(layer.weights.any(axis=others), np.nan, bias)


def _dead(layer: Affine, flow: Flow) -> Array:
    """Which channels every reader can do without."""
    dead = np.ones(layer.outputs, bool)
    for reading in flow.readings:
        is_read = _is_read(reading, layer.outputs)
        known = reading.constants == 0
        if not reading.layer.has_padding:
            known |= np.isfinite(reading.constants)
        dead &= known | ~is_read
    if not flow.readings:
        return np.zeros(0, np.int64)
    if dead.all():
        dead[0] = False
    return np.flatnonzero(dead)


def _is_read(reading: Reading, channels: int) -> Array:
    """Bool [channels]: whether the reader has a weight other than zero for a channel."""
    layer = reading.layer
    others = tuple(axis for axis in range(layer.rank) if axis != 1 - layer.output_axis)
    is_read = np.asarray(layer.weights.any(axis=others))
    columns = is_read[reading.place.columns(np.arange(channels))]
    return np.asarray(columns.reshape(channels, -1).any(axis=1))


def _biases(flow: Flow, dead: Array) -> dict[ir.Node, Array] | None:
    """What each reader's bias becomes, or `None` where its type cannot hold it."""
    biases: dict[ir.Node, Array] = {}
    for reading in flow.readings:
        layer = reading.layer
        bias = biases.get(layer.node, layer.bias) + _constant_share(reading, dead)
        with np.errstate(over="ignore"):
            if not np.isfinite(bias.astype(layer.weights.dtype)).all():
                return None
        biases[layer.node] = bias
    return biases


def _cut(
    model: ir.Model, layer: Affine, flow: Flow, dead: Array, biases: dict[ir.Node, Array]
) -> None:
    for node in flow.reshapes:
        batch = static_shape(node.outputs[0]) or (1,)
        set_constant(model, node, 1, np.array([batch[0], -1], np.int64))
    bias = np.broadcast_to(layer.bias.reshape(-1), layer.outputs)
    layer.store(model, np.delete(layer.weights, dead, layer.output_axis), np.delete(bias, dead))
    for depthwise, columns in _together(flow.depthwise, dead):
        weights, bias = depthwise.weights, depthwise.bias
        depthwise.store(model, np.delete(weights, columns, 0), np.delete(bias, columns))
        depthwise.node.attributes.add(ir.AttrInt64("group", len(weights) - len(columns)))
    for reader, columns in _together([(r.layer, r.place) for r in flow.readings], dead):
        weights = np.delete(reader.weights, columns, 1 - reader.output_axis)
        reader.store(model, weights, biases[reader.node])
    for value, columns in _together(flow.values, dead):
        if value.shape is not None and isinstance(value.shape[1], int):
            axes = list(value.shape)
            axes[1] = value.shape[1] - len(columns)
            value.shape = ir.Shape(axes)


def _constant_share(reading: Reading, dead: Array) -> Array:
    """What the dead channels gave to each output of the reader: float64 [outputs]."""
    layer = reading.layer
    weights = np.take(layer.weights, reading.place.columns(dead), axis=1 - layer.output_axis)
    by_column = np.moveaxis(weights, (1 - layer.output_axis, layer.output_axis), (0, -1))
    constants = np.repeat(np.nan_to_num(reading.constants[dead]), reading.place.width)
    sums = by_column.reshape(len(by_column), -1, layer.outputs).sum(axis=1, dtype=np.float64)
    return np.asarray(constants @ sums * float_of(layer.node, "alpha", 1.0))


def _together(places: Sequence[tuple[_T, Place]], dead: Array) -> Iterator[tuple[_T, Array]]:
    """Each thing once, with the columns that the dead channels take in it, wherever they are."""
    things: dict[int, tuple[_T, list[Array]]] = {}
    for thing, place in places:
        key = id(thing.node if isinstance(thing, Affine) else thing)
        things.setdefault(key, (thing, []))[1].append(place.columns(dead))
    for thing, columns in things.values():
        yield thing, np.unique(np.concatenate(columns))
