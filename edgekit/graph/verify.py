"""Runs a graph before and after a change, and compares what it says."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import PostconditionError

from edgekit.array import Array
from edgekit.graph.session import open_session

_TOLERANCE = 1e-3  # of an output's largest number: rounding of a deep float32 graph
_SEED = 0


@dataclass(frozen=True)
class Snapshot:
    """What a model says to some inputs, and its signature.

    Attributes:
        signature: name, type and shape of each input and output.
        feeds: an array for each input.
        outputs: an array, or whatever else ONNX Runtime gives, for each output.
    """

    signature: tuple[tuple[str, str, str], ...]
    feeds: Mapping[str, Array]
    outputs: Mapping[str, object]


def snapshot(model: ir.Model, feeds: Mapping[str, Array] | None = None) -> Snapshot:
    """Runs a model as it is written, without optimisation.

    Args:
        model: left as it is.
        feeds: an array for each input; by default random ones, always the same.

    Raises:
        UnsupportedModel: ONNX Runtime cannot run it.
    """
    feeds = random_feeds(model) if feeds is None else feeds
    session = open_session(model, optimize=False)
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, dict(feeds))
    return Snapshot(signature(model), feeds, dict(zip(names, results, strict=True)))


def require_same_outputs(before: Snapshot, model: ir.Model, *, by: str) -> None:
    """Checks that a changed model still says what it said.

    Args:
        before: what it said.
        model: the model now.
        by: what changed it, for the message.

    Raises:
        PostconditionError: an input or output is another one now, or an output differs by more
            than a thousandth of its largest number.
    """
    if signature(model) != before.signature:
        raise PostconditionError(
            f"{by} changed the signature from {before.signature} to {signature(model)}"
        )
    after = snapshot(model, before.feeds)
    for name, wanted in before.outputs.items():
        error = difference(wanted, after.outputs[name])
        if not error <= _TOLERANCE:
            raise PostconditionError(f"{by} changed the output {name!r} by {error:.2g}")


def signature(model: ir.Model) -> tuple[tuple[str, str, str], ...]:
    """Name, type and shape of each input and output, in order."""
    return tuple(
        (str(value.name), str(value.type), str(value.shape))
        for value in [*model.graph.inputs, *model.graph.outputs]
    )


def difference(wanted: object, found: object) -> float:
    """The largest difference of two results, over the largest finite number of the first.

    0 where both are equal, infinite where their shape, type, or infinities and NaNs differ.
    """
    if isinstance(wanted, list) and isinstance(found, list):  # a sequence
        if len(wanted) != len(found):
            return np.inf
        return max((difference(a, b) for a, b in zip(wanted, found, strict=True)), default=0.0)
    one, other = np.asarray(wanted), np.asarray(found)
    if one.dtype != other.dtype or one.shape != other.shape:
        return np.inf
    if one.dtype.kind not in "fiu":
        return 0.0 if np.array_equal(one, other) else np.inf
    one, other = one.astype(np.float64), other.astype(np.float64)
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return np.inf
    if not finite.any():
        return 0.0
    error = np.abs(one[finite] - other[finite]).max()
    return float(error / max(1e-6, np.abs(one[finite]).max())) if error else 0.0


def random_feeds(model: ir.Model, *, seed: int = _SEED) -> dict[str, Array]:
    """A seeded random array for each input that has no initialiser; a dynamic axis is 1."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        if value.const_value is not None:
            continue
        shape = tuple(axis if isinstance(axis, int) else 1 for axis in value.shape or ())
        dtype = np.dtype(np.float32) if value.dtype is None else value.dtype.numpy()
        if dtype.kind in "iu":
            feeds[str(value.name)] = rng.integers(0, 100, shape).astype(dtype)
        elif dtype.kind == "b":
            feeds[str(value.name)] = rng.integers(0, 2, shape).astype(dtype)
        else:
            feeds[str(value.name)] = rng.normal(0, 1, shape).astype(dtype)
    return feeds
