"""Runs a TFLite file in LiteRT and its ONNX model in onnxruntime, and compares what they give."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.convert.quantization import grid_of
from edgekit.convert.writer import SIGNATURE
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op, only_reader
from edgekit.graph.session import open_session

_FLOAT_TOLERANCE = 1e-3
_HALF_TOLERANCE = 2e-2
_INTEGER_TOLERANCE = 0.1
"""Some roundings differ by one, and a deep net carries them on; mistakes give far more."""
_ROUNDED_TOLERANCE = 0.3
"""Onnxruntime's own two ways to run SqueezeNet in 8 bits differ by up to 0.12 on noise."""


@dataclass(frozen=True)
class Agreement:
    """How near one output of the two is.

    Attributes:
        output: its name.
        largest: the largest difference of a number.
        relative: the length of all differences over the length of what onnxruntime gives.
    """

    output: str
    largest: float
    relative: float


def compare(
    model: ir.Model,
    data: bytes,
    *,
    seed: int = 0,
    runs: int = 2,
    threads: int = 1,
    fuse_quantized: bool = True,
) -> list[Agreement]:
    """Runs both on the same seeded random inputs, and compares every output.

    Args:
        model: the ONNX model; fixed shapes.
        data: the TFLite file made of it.
        seed: of the inputs.
        runs: how many inputs to try.
        threads: for each engine.
        fuse_quantized: whether onnxruntime may compute in 8-bit integers.

    Raises:
        UnsupportedModel: an engine cannot run its model, or the signatures differ.
    """
    reference = open_session(model, threads=threads, fuse_quantized=fuse_quantized)
    candidate = _litert(data, threads)
    asked = [value for value in model.graph.inputs if value.const_value is None]
    rng = np.random.default_rng(seed)
    names = [str(value.name) for value in model.graph.outputs]
    given = candidate.get_output_details()
    for name in names:
        if name not in given:
            raise UnsupportedModel(f"its TFLite form gives no {name!r}, but {', '.join(given)}")
    theirs, ours = [], []
    for _ in range(runs):
        inputs = {str(value.name): random_input(value, rng) for value in asked}
        theirs.append(dict(zip(names, reference.run(names, inputs), strict=True)))
        ours.append(_answers(candidate, inputs))
    return [
        _agreement(name, [run[name] for run in theirs], [run[name] for run in ours])
        for name in names
    ]


def require_agreement(
    model: ir.Model, data: bytes, *, half_weights: bool = False
) -> list[Agreement]:
    """Compares a TFLite file with its ONNX model, and refuses it if they disagree.

    A quantised model is compared with onnxruntime's integers, which LiteRT's equal but for
    roundings; or, as CPUs without VNNI saturate there, with its floats, from which both stray.
    Where only weights are integers, the graph is computed as it says, in float: left alone,
    onnxruntime rounds the activations of dense layers with such weights to 8 bits too.

    Returns:
        How near each output is.

    Raises:
        UnsupportedModel: an output is something else; says which, and by how much.
    """
    is_quantized = any(is_op(node, "QuantizeLinear") for node in model.graph)
    tolerance = _HALF_TOLERANCE if half_weights else _FLOAT_TOLERANCE
    if is_quantized:
        tolerance = _INTEGER_TOLERANCE
    found = compare(model, data, fuse_quantized=is_quantized)
    if is_quantized and _worst(found).relative > tolerance:
        tolerance = _ROUNDED_TOLERANCE
        found = compare(model, data, fuse_quantized=False)
    worst = _worst(found)
    if not worst.relative <= tolerance:
        raise UnsupportedModel(
            f"its TFLite form gives something else than onnxruntime: {worst.output!r} differs "
            f"by {worst.relative:.2g} of its length (up to {worst.largest:.3g} a number)"
        )
    return found


def _worst(found: list[Agreement]) -> Agreement:
    return max(found, key=lambda agreement: agreement.relative)


def random_input(value: ir.Value, rng: np.random.Generator) -> Array:
    """Numbers that a graph input may have: pixels, or what its QuantizeLinear does not clip."""
    shape = tuple(axis if isinstance(axis, int) else 1 for axis in value.shape or ())
    dtype = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy()
    if dtype == np.float32:
        reader = only_reader(value)
        grid = grid_of(reader) if reader and is_op(reader, "QuantizeLinear") else None
        if grid is not None:
            return rng.uniform(grid.lowest, grid.highest, shape).astype(np.float32)
        return rng.normal(0, 1, shape).astype(np.float32)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    if dtype == np.int8:
        return rng.integers(-128, 128, shape, np.int8)
    return rng.integers(0, 2, shape).astype(dtype)


def _litert(data: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(model_content=data, num_threads=threads)
        interpreter.allocate_tensors()
        return interpreter.get_signature_runner(SIGNATURE)
    except Exception as error:
        raise UnsupportedModel(f"LiteRT cannot load its TFLite form: {_one_line(error)}") from error


def _answers(runner: Any, inputs: dict[str, Array]) -> dict[str, Array]:
    try:
        answers: dict[str, Array] = runner(**inputs)
    except Exception as error:
        raise UnsupportedModel(f"LiteRT cannot run its TFLite form: {_one_line(error)}") from error
    return answers


def _agreement(name: str, theirs: list[Array], ours: list[Array]) -> Agreement:
    reference = np.concatenate([array.ravel() for array in theirs]).astype(np.float64)
    found = np.concatenate([array.ravel() for array in ours]).astype(np.float64)
    if any(a.shape != b.shape or a.dtype != b.dtype for a, b in zip(theirs, ours, strict=True)):
        raise UnsupportedModel(f"the output {name!r} of its TFLite form has another signature")
    odd = ~np.isfinite(reference)
    if not np.array_equal(reference[odd], found[odd], equal_nan=True):
        return Agreement(name, np.inf, np.inf)
    reference, found = reference[~odd], found[~odd]
    difference = np.abs(found - reference)
    length = float(np.linalg.norm(reference)) or 1.0
    return Agreement(
        name, float(difference.max(initial=0)), float(np.linalg.norm(difference)) / length
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
