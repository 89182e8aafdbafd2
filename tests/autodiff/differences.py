"""Compares the gradients that onnxruntime computes in float32 with differences.

The differences come from the forward model alone: no line of the code under test is in them. They
are taken in float64 by ONNX's own reference evaluator, or by onnxruntime where that one is wrong.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder

Net = Callable[..., ir.Value]
"""Takes a builder and the inputs' values in order, gives the value to differentiate."""

_erf = np.vectorize(math.erf, otypes=["d"])
STEP = 1e-5
DIRECTIONS = 3
TOLERANCE = 2e-5

WORST: dict[str, float] = {}
"""The largest error seen so far, by operator; the summary of a test run shows it."""


class Erf(OpRun):
    """The error function in the precision it is given: ONNX's own always rounds to float32."""

    op_domain = ""

    def _run(self, x: Array) -> tuple[Array]:
        return (_erf(x),)


class Gelu(OpRun):
    """The Gaussian error linear unit, in the precision it is given."""

    op_domain = ""

    def _run(self, x: Array, approximate: str = "none") -> tuple[Array]:
        if approximate == "tanh":
            return (x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),)
        return (x / 2 * (1 + _erf(x / np.sqrt(2))),)


def model_of(net: Net, inputs: Mapping[str, Array], *, opset: int | None = None) -> ir.Model:
    """A model with these inputs and the output `y`."""
    build = GraphBuilder("net")
    values = [build.input(name, array.dtype, array.shape) for name, array in inputs.items()]
    y = build.op("Identity", net(build, *values))
    model = build.finish(y=(y, np.float32, ()))
    model.graph.outputs[0].shape = None
    if opset is not None:
        model.opset_imports[""] = opset
        model.ir_version = 10
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(model), strict_mode=True, data_prop=True)
    return ir.from_proto(proto)


def run(model: ir.Model, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What stock onnxruntime says, after ONNX's own checker has seen the model."""
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    session = _session(proto)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def largest_error(
    net: Net,
    inputs: Mapping[str, Array],
    *,
    wrt: list[str] | None = None,
    opset: int | None = None,
    by: str = "reference",
    seed: int = 99,
) -> float:
    """How far gradients are from differences, as a share of what they could be at most.

    The function that is differentiated is the sum of `dy * y` for a random `dy`, along random
    directions, by each float input in turn. `by` says who computes the differences: "reference",
    "onnxruntime" for operators that it has in float64, or "linear" for onnxruntime in float32 with
    steps of 1, which is right for functions that are linear in each input.
    """
    rng = np.random.default_rng(seed)
    model = model_of(net, inputs, opset=opset)
    wrt = wrt or [name for name, array in inputs.items() if array.dtype.kind == "f"]
    forward = _forward(model, by)
    step = 1.0 if by == "linear" else STEP
    wide = {
        name: array.astype(np.float64) if array.dtype == np.float32 else array
        for name, array in inputs.items()
    }
    y = forward(wide)
    dy = rng.normal(size=y.shape)
    found = run(gradients(model, "y", wrt, seed="dy"), {**inputs, "dy": dy.astype(np.float32)})
    np.testing.assert_allclose(found["y"], y, rtol=1e-3, atol=1e-4)
    worst = 0.0
    for name in wrt:
        slope = found[f"grad({name})"].astype(np.float64)
        assert slope.shape == inputs[name].shape
        for _ in range(DIRECTIONS):
            direction = rng.normal(size=slope.shape)
            above, below = (
                forward({**wide, name: wide[name] + sign * step * direction}) for sign in (1, -1)
            )
            difference = np.sum(dy.astype(np.float32) * (above - below)) / (2 * step)
            most = np.linalg.norm(slope) * np.linalg.norm(direction)
            worst = max(worst, abs(np.sum(slope * direction) - difference) / max(most, 1e-3))
    for kind in {node.op_type for node in model.graph}:
        WORST[kind] = max(WORST.get(kind, 0), worst)
    return worst


def check(net: Net, inputs: Mapping[str, Array], **how: object) -> None:
    """Asserts that gradients and differences agree."""
    assert largest_error(net, inputs, **how) < TOLERANCE  # type: ignore[arg-type]


def normal(*shape: int, seed: int = 0) -> Array:
    """Normal numbers, float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def apart(*shape: int, seed: int = 0) -> Array:
    """Numbers between -2 and 2, none near another or near 0: for functions that have kinks."""
    count = int(np.prod(shape))
    numbers = (np.arange(count) + 0.5 - count / 2) * (4 / max(count, 1)) + 1e-3
    return np.random.default_rng(seed).permutation(numbers).reshape(shape).astype(np.float32)


def _forward(model: ir.Model, by: str) -> Callable[[Mapping[str, Array]], Array]:
    """`y` of float64 inputs."""
    proto = ir.to_proto(model) if by == "linear" else in_double(ir.to_proto(model))
    if by == "reference":
        evaluator = ReferenceEvaluator(proto, new_ops=[Erf, Gelu])
        return lambda feeds: evaluator.run(None, dict(feeds))[0]
    session = _session(proto)

    def forward(feeds: Mapping[str, Array]) -> Array:
        if by == "linear":
            feeds = {
                name: array.astype(np.float32) if array.dtype == np.float64 else array
                for name, array in feeds.items()
            }
        return session.run(None, dict(feeds))[0].astype(np.float64)

    return forward


def _session(proto: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(proto.SerializeToString(), options)


def in_double(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model, rewritten in place to compute in float64."""
    single, double = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    for value in [*model.graph.input, *model.graph.output, *model.graph.value_info]:
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = double
    for tensor in model.graph.initializer:
        if tensor.data_type == single:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == single:
                attribute.i = double
    return model
