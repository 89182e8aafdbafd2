"""How channels pass through layers with weights."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.compress.layers import Layer
from edgekit.compress.prune.channels import Role
from edgekit.compress.prune.tracing import Along, Tracer, rule, shape_of
from edgekit.graph.match import constant


@rule("Conv")
def conv(tracer: Tracer, node: ir.Node) -> None:
    """Reads some channels and makes others; a depthwise one only lets them through."""
    layer, along = tracer.layers.get(node), tracer.of(node.inputs[0])
    if layer is None or (along is not None and along.axis != 1):
        tracer.stop(node, "read by a Conv whose weights are not constant")
        return
    if layer.groups == 1:
        if along is not None:
            tracer.bind(node, 1, 1, along.units, Role.READS)
        _make(tracer, layer, axis=0)
    elif layer.weights.shape[1] == 1:
        _depthwise(tracer, layer, along)
    else:
        _grouped(tracer, layer, along)


def _depthwise(tracer: Tracer, layer: Layer, along: Along | None) -> None:
    if along is None:
        return
    units = np.repeat(along.units, layer.outputs // layer.groups)
    tracer.bind(layer.node, 1, 0, units, Role.FOLLOWS)
    _bias(tracer, layer.node, units)
    tracer.count(layer.node, "group", 1, along.units)
    tracer.put(layer.output, Along(1, units))


def _grouped(tracer: Tracer, layer: Layer, along: Along | None) -> None:
    """The groups stay equal: the same place in each of them goes at once."""
    if along is not None:
        for others in np.split(along.units, layer.groups)[1:]:
            tracer.channels.tie(along.units[: len(others)], others)
        first = along.units[: len(along.units) // layer.groups]
        tracer.bind(layer.node, 1, 1, first, Role.READS)
    units = _make(tracer, layer, axis=0)
    for others in np.split(units, layer.groups)[1:]:
        tracer.channels.tie(units[: len(others)], others)


@rule("Gemm", "MatMul")
def dense(tracer: Tracer, node: ir.Node) -> None:
    """Reads the last axis and makes another."""
    layer, along = tracer.layers.get(node), tracer.of(node.inputs[0])
    shape = shape_of(node.inputs[0])
    last = None if shape is None else len(shape) - 1
    if layer is None or last is None or (along is not None and along.axis != last):
        tracer.stop(node, f"read by a {node.op_type} in a way that is not understood")
        return
    inputs, outputs = (1, 0) if node.attributes.get_int("transB", 0) else (0, 1)
    if along is not None:
        tracer.bind(node, 1, inputs, along.units, Role.READS)
    _make(tracer, layer, axis=outputs, along=last)


@rule("BatchNormalization", "InstanceNormalization")
def norm(tracer: Tracer, node: ir.Node) -> None:
    """Has a few numbers for each channel."""
    along = tracer.of(node.inputs[0])
    if along is None:
        return
    if along.axis != 1 or any(constant(value) is None for value in node.inputs[1:]):
        tracer.stop(node, f"read by a {node.op_type} whose numbers are not constant")
        return
    for index in range(1, len(node.inputs)):
        tracer.bind(node, index, 0, along.units, Role.FOLLOWS)
    tracer.put(node.outputs[0], along)


def _make(tracer: Tracer, layer: Layer, *, axis: int, along: int = 1) -> Array:
    """New channels, one for each row of a layer's matrix."""
    units = tracer.channels.new(layer.outputs)
    tracer.bind(layer.node, 1, axis, units, Role.MAKES)
    _bias(tracer, layer.node, units)
    tracer.put(layer.output, Along(along, units))
    return units


def _bias(tracer: Tracer, node: ir.Node, units: Array) -> None:
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return
    bias = constant(node.inputs[2])
    if bias is None:
        tracer.channels.fix(units, "their bias is computed")
    elif bias.size > 1 or len(units) == 1:
        tracer.bind(node, 2, bias.ndim - 1, units, Role.FOLLOWS)
