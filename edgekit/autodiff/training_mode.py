"""Makes a model compute as it does while it is being trained."""

from collections.abc import Container

import numpy as np
import onnx_ir as ir

from edgekit.autodiff.backward import Backward
from edgekit.autodiff.shapes import constant_input, operand, where
from edgekit.errors import InputError, UnsupportedModel
from edgekit.graph.edit import infer_shapes, prune_unused, unique_name
from edgekit.graph.fixing import raise_opset
from edgekit.graph.match import is_op

_ROUND_BITS = 32


def in_training(
    model: ir.Model, *, step: str = "step", seed: int = 0, frozen: Container[str] = ()
) -> ir.Model:
    """The model with Dropout that drops, and BatchNormalization by the statistics of the batch.

    What Dropout drops depends on `seed`, on the number of the step and on the place of a number in
    its tensor alone, not on anything that a session keeps: the same step drops the same again, on
    any machine, in any process. The numbers are those of the counter-based generator Squares
    (Widynski, 2020, arXiv:2004.06278), computed by integer operators.

    Args:
        model: left as it is, in its form for inference.
        step: the name of an additional input, int64 `[]`, where there is a Dropout: a number from 0
            to 2^31 - 1, to be a new one every step.
        seed: of all Dropouts; each gets a key of its own.
        frozen: names of Dropout and BatchNormalization nodes to leave as they are in inference.

    Returns:
        A new model. Where a BatchNormalization reads its statistics from `mean` and `variance`,
        it has the additional outputs `new(mean)` and `new(variance)`, the running averages with
        the node's own momentum: what to feed or store as `mean` and `variance` for the next step.
        The variance is the batch's own, divided by n (PyTorch divides by n - 1). An initialiser
        that several of them share becomes one for each.

    Raises:
        InputError: the model has a value called `step`.
        UnsupportedModel: a Dropout's ratio is computed, or the model cannot be raised to opset 17.
    """
    result = raise_opset(model.clone())
    graph = result.graph
    nodes = [node for node in graph if node.name not in frozen or not node.name]
    drops = [node for node in nodes if is_op(node, "Dropout")]
    if drops:
        value = _step_input(result, step)
        keys = np.random.default_rng(seed).integers(0, 2**63, len(drops), np.uint64)
        for node, key in zip(drops, 2 * keys + np.uint64(1), strict=True):
            _drop(result, node, value, key)
    for node in nodes:
        if is_op(node, "BatchNormalization"):
            _use_batch(result, node)
    prune_unused(result)
    return infer_shapes(result)


def _step_input(model: ir.Model, name: str) -> ir.Value:
    if name in ir.convenience.create_value_mapping(model.graph):
        raise InputError(f"the step cannot be called {name!r}: the model has a value of that name")
    value = ir.Value(name=name, shape=ir.Shape(()), type=ir.TensorType(ir.DataType.INT64))
    model.graph.inputs.append(value)
    return value


def _drop(model: ir.Model, node: ir.Node, step: ir.Value, key: np.uint64) -> None:
    """Puts a product in the place of a Dropout: by 0, or by 1 / (1 - ratio)."""
    x, given = operand(node, 0), constant_input(node, 1)
    ratio = 0.5 if given is None else float(given)
    if not 0 <= ratio < 1:
        raise UnsupportedModel(f"{where(node)}: its ratio {ratio} is not in [0, 1)")
    graph = model.graph
    build = Backward(ir.convenience.create_value_mapping(graph), prefix="dropout")
    random = _random(x, step, key, build)
    mask = build.op("Less", random, np.array(round((1 - ratio) * 2**_ROUND_BITS), np.uint64))
    scale = build.op("Where", mask, build.constant(1 / (1 - ratio), dtype=x.dtype), 0.0)
    outputs = [build.op("Mul", x, scale)]
    if len(node.outputs) > 1:
        outputs.append(build.op("Identity", mask))
    graph.insert_before(node, build.nodes)
    for constant in build.constants:
        graph.register_initializer(constant)
    for old, new in zip(node.outputs, outputs, strict=True):
        name, new.type, new.shape = old.name, old.type, old.shape
        old.name = None
        new.name = name or new.name
        old.replace_all_uses_with(new, replace_graph_outputs=True)
    graph.remove(node, safe=True)


def _random(x: ir.Value, step: ir.Value, key: np.uint64, build: Backward) -> ir.Value:
    """Integers below 2^32 in the shape of `x`, uint64: Squares with four rounds."""
    whole, long = ir.DataType.UINT64, ir.DataType.INT64
    size = build.op("Size", x, dtype=long)
    place = build.op("Range", np.array(0), size, np.array(1), dtype=long)
    high = build.op("Mul", _as(step, whole, build), np.array(2**_ROUND_BITS, np.uint64))
    counter = build.op("Add", _as(place, whole, build), high)
    y = build.op("Mul", counter, np.array(key))
    z = build.op("Add", y, np.array(key))
    value = y
    for term in (y, z, y):
        square = build.op("Add", build.op("Mul", value, value), term)
        value = build.op("Add", _shift(square, "RIGHT", build), _shift(square, "LEFT", build))
    total = build.op("Add", build.op("Mul", value, value), z)
    return build.op("Reshape", _shift(total, "RIGHT", build), build.op("Shape", x, dtype=long))


def _as(value: ir.Value, dtype: ir.DataType, build: Backward) -> ir.Value:
    return build.op("Cast", value, to=dtype, dtype=dtype)


def _shift(value: ir.Value, direction: str, build: Backward) -> ir.Value:
    return build.op("BitShift", value, np.array(_ROUND_BITS, np.uint64), direction=direction)


def _use_batch(model: ir.Model, node: ir.Node) -> None:
    """Turns a BatchNormalization to training mode, and makes its new statistics outputs."""
    node.attributes["training_mode"] = ir.AttrInt64("training_mode", 1)
    node.resize_outputs(3)
    for index in (3, 4):
        statistic = _own_statistic(model, node, index)
        output = node.outputs[index - 2]
        output.name = unique_name(model, f"new({statistic.name})")
        output.type, output.shape = statistic.type, statistic.shape
        model.graph.outputs.append(output)


def _own_statistic(model: ir.Model, node: ir.Node, index: int) -> ir.Value:
    """A node's mean or variance, which nothing else may read if it is an initialiser."""
    value = operand(node, index)
    if value.const_value is None or value.is_graph_input() or len(value.uses()) == 1:
        return value
    name = unique_name(model, f"{value.name}_{node.name or node.outputs[0].name}")
    array = np.array(value.const_value.numpy())
    copy = ir.Value(
        name=name, const_value=ir.tensor(array, name=name), shape=value.shape, type=value.type
    )
    model.graph.register_initializer(copy)
    node.replace_input_with(index, copy)
    return copy
