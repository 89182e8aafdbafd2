"""Gives the channels of an activation ranges that are alike, without changing the function.

A channel that passes only through positively homogeneous operators on its way from one layer to
the next can be divided by any positive number in the first and multiplied by it in the second.
One scale for the whole tensor then wastes fewer levels on small channels. Cross-layer equalisation:
Nagel et al., 2019, arXiv:1906.04721; the strength in between: Xiao et al., 2023, SmoothQuant,
arXiv:2211.10438.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer, linear_layers
from edgekit.compress.progress import Progress
from edgekit.graph.edit import set_constant
from edgekit.graph.match import is_op, static_shape
from edgekit.graph.observe import Observer

_EACH_BY_ITSELF = ("Relu", "LeakyRelu", "Dropout", "Identity")
_POOLS = ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool")
_LEAST = 1e-3
"""Channels smaller than this share of the largest count as that small: they may be all but dead."""


@dataclass(frozen=True)
class _Path:
    """Channels `start` to `start + count` of what a layer reads are another's outputs."""

    producer: Layer
    consumer: Layer
    start: int


def channel_peaks(
    model: ir.Model, tensors: Sequence[Array], progress: Progress
) -> dict[str, Array]:
    """The largest magnitude of each channel of what each layer gives after its ReLU, if it has one.

    Returns:
        By the layer's name, float64 `[outputs]`; only of layers that `equalize` can change.
    """
    producers = {path.producer.name: path.producer for path in _paths(model)}
    values = {name: _after_activation(layer.output) for name, layer in producers.items()}
    if not values:
        return {}
    observer = Observer(model, [str(value.name) for value in values.values()])
    peaks: dict[str, Array] = {}
    for tensor in progress.track(tensors, "looking at channels", total=len(tensors)):
        found = observer.run(tensor)
        for name, value in values.items():
            layer = producers[name]
            rows = np.abs(layer.responses(found[str(value.name)])).max(axis=2).reshape(-1)
            peaks[name] = np.maximum(peaks[name], rows) if name in peaks else rows
    return peaks


def equalize(model: ir.Model, peaks: Mapping[str, Array], *, strength: float) -> None:
    """Rescales channels in place; the model's outputs stay the same but for rounding.

    Args:
        model: in canonical form.
        peaks: as `channel_peaks` gives them.
        strength: 0 leaves all as it is, 1 makes all channels of a tensor equally large.
    """
    by_producer: dict[str, list[_Path]] = {}
    for path in _paths(model):
        by_producer.setdefault(path.producer.name, []).append(path)
    for name, paths in by_producer.items():
        peak = np.maximum(peaks[name], max(float(peaks[name].max()), 1e-12) * _LEAST)
        factors = (peak / peak.max()) ** strength
        _scale_rows(model, paths[0].producer, 1 / factors)
        for path in paths:
            _scale_columns(model, path, factors)


def _scale_rows(model: ir.Model, layer: Layer, factors: Array) -> None:
    matrix, bias = layer.matrix(), layer.bias
    scaled = matrix * factors.reshape(matrix.shape[0], -1, 1)
    set_constant(model, layer.node, 1, layer.shaped(scaled))
    if bias is not None:
        set_constant(model, layer.node, 2, bias.astype(np.float64) * factors)


def _scale_columns(model: ir.Model, path: _Path, factors: Array) -> None:
    layer = path.consumer
    matrix = layer.matrix()
    groups, _, width = matrix.shape
    taps = int(np.prod(layer.weights.shape[2:])) if layer.is_conv else 1
    columns = np.ones(groups * width // taps)
    columns[path.start : path.start + len(factors)] = factors
    scaled = matrix * np.repeat(columns, taps).reshape(groups, 1, width)
    set_constant(model, layer.node, 1, layer.shaped(scaled))


def _paths(model: ir.Model) -> list[_Path]:
    """Every way from a layer's output to a layer's input that may be rescaled."""
    layers = {layer.node: layer for layer in linear_layers(model)}
    found: list[_Path] = []
    for layer in layers.values():
        ends: list[tuple[Layer, int]] = []
        axis = _channel_axis(layer, layer.output)
        if axis is not None and _follow(layer.output, axis, 0, layers, ends):
            found += [_Path(layer, consumer, start) for consumer, start in ends]
    return found


def _channel_axis(layer: Layer, value: ir.Value) -> int | None:
    """Which axis of what a layer reads or gives has its channels."""
    if layer.is_conv:
        return 1
    return None if value.shape is None else len(value.shape) - 1


def _follow(
    value: ir.Value,
    axis: int,
    start: int,
    layers: Mapping[ir.Node, Layer],
    ends: list[tuple[Layer, int]],
) -> bool:
    """Collects the layers that read a value's channels as theirs; whether nothing else reads it."""
    if value.is_graph_output() or not value.uses():
        return False
    for node, index in value.uses():
        if node in layers:
            if index != 0 or _channel_axis(layers[node], value) != axis:
                return False
            ends.append((layers[node], start))
            continue
        offset = 0
        if is_op(node, "Concat"):
            before = _channels_before(node, index, axis)
            if before is None:
                return False
            offset = before
        elif not _keeps_channels(node, axis):
            return False
        if not _follow(node.outputs[0], axis, start + offset, layers, ends):
            return False
    return True


def _keeps_channels(node: ir.Node, axis: int) -> bool:
    """Whether a node gives each channel times a factor where it reads it times the factor."""
    if is_op(node, *_EACH_BY_ITSELF):
        return True
    return axis == 1 and (is_op(node, *_POOLS) or _flattens_single_pixels(node))


def _channels_before(concat: ir.Node, index: int, axis: int) -> int | None:
    """Where an input's channels start in a Concat of channels that reads it once."""
    value = concat.inputs[index]
    if value is None or value.shape is None or list(concat.inputs).count(value) != 1:
        return None
    if concat.attributes["axis"].as_int() % len(value.shape) != axis:
        return None
    widths = [static_shape(part) for part in concat.inputs[:index]]
    return None if None in widths else sum(shape[axis] for shape in widths if shape is not None)


def _flattens_single_pixels(node: ir.Node) -> bool:
    """Whether a node only drops axes of size 1 behind the channels."""
    if not is_op(node, "Flatten", "Reshape", "Squeeze") or node.inputs[0] is None:
        return False
    before, after = node.inputs[0].shape, node.outputs[0].shape
    if before is None or after is None or len(before) < 2 or len(after) < 2:
        return False
    return before[1] == after[1] and all(axis == 1 for axis in [*before[2:], *after[2:]])


def _after_activation(value: ir.Value) -> ir.Value:
    readers = [node for node, _ in value.uses()]
    return readers[0].outputs[0] if len(readers) == 1 and is_op(readers[0], "Relu") else value
