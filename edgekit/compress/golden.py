"""Golden vectors: seeded synthetic inputs, with the outputs that a board has to reproduce."""

import io
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from edgekit.array import Array
from edgekit.bundle import InputSpec
from edgekit.runtime.engine import Engine
from edgekit.runtime.prepare import prepare

COUNT = 4
_BLOCKS = 8
_STEP = 2.0**-11


def golden_inputs(spec: InputSpec, typical: Sequence[Array], *, seed: int = 0) -> Array:
    """Tensors `[COUNT, *spec.shape]` that a model takes, made by chance: never anybody's data.

    Pictures are coarse blocks of colour, which compress well. Integers of no scale are any of 0 to
    255 where nothing typical is known. Others are waves about the mean of
    `typical` samples with their deviation, so that the model works in its usual range.
    """
    rng = np.random.default_rng(seed)
    if spec.picture is not None:
        rule = spec.picture
        blocks = rng.integers(0, 256, (COUNT, _BLOCKS, _BLOCKS, 3), np.uint8)
        tall = blocks.repeat(-(-rule.height // _BLOCKS), axis=1)[:, : rule.height]
        pictures = tall.repeat(-(-rule.width // _BLOCKS), axis=2)[:, :, : rule.width]
        return np.stack([prepare(picture, spec) for picture in pictures])
    if np.dtype(spec.dtype).kind in "iu" and spec.quantization is None and not len(typical):
        kind = np.iinfo(spec.dtype)
        return rng.integers(0, min(int(kind.max), 255) + 1, (COUNT, *spec.shape), spec.dtype)
    known = np.stack(typical).astype(np.float64) if len(typical) else np.zeros((1, *spec.shape[1:]))
    known = known.reshape(len(known), *spec.shape)
    steps = np.arange(np.prod(spec.shape)).reshape(spec.shape)
    periods = rng.uniform(4, 40, (COUNT, *[1] * len(spec.shape)))
    waves = np.sin(2 * np.pi * (steps / periods + rng.random(periods.shape)))
    spread = known.std(axis=0) if len(typical) else 1.0
    values = (known.mean(axis=0) + waves * spread).astype(np.float32)
    return np.stack([prepare(value.reshape(spec.shape), spec) for value in values])


def golden_file(
    inputs: Array,
    reference: Engine | None,
    engines: Sequence[Engine],
    output: str,
    *,
    others: Mapping[str, Engine] = MappingProxyType({}),
) -> bytes:
    """The bytes of `golden.npz`: `inputs`, `fp32` from the reference, and each engine's outputs.

    Variants are in `others`, by what the archive is to call their outputs.

    Floats are rounded far more finely than any tolerance of the self-test, which takes a
    thousand probabilities from kilobytes to almost nothing.
    """
    arrays = {"inputs": inputs}
    if reference is not None:
        arrays["fp32"] = np.stack([reference.run(tensor)[output] for tensor in inputs])
    named: dict[str, Engine] = {engine.name: engine for engine in engines}
    for name, engine in (named | dict(others)).items():
        arrays[name] = np.stack([engine.run(tensor)[output] for tensor in inputs])
    rounded = {
        name: array if name == "inputs" else _rounded(array) for name, array in arrays.items()
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **rounded)
    return buffer.getvalue()


def _rounded(values: Array) -> Array:
    """Floats to a multiple of 2^-11 of their own power of two, or of 1 where they are smaller."""
    if values.dtype.kind != "f":
        return values
    real = values.astype(np.float64)
    step = _STEP * np.exp2(np.floor(np.log2(np.maximum(1.0, np.abs(real)))))
    return (np.rint(real / step) * step).astype(values.dtype)
