"""Samples to time a bundle with: nobody's data, and the numbers a model usually sees."""

import numpy as np

from edgekit.array import Array
from edgekit.bundle import Artifact, Bundle
from edgekit.runtime.interpret import dequantized

_COUNT = 4
_BLOCK = 28


def bench_samples(bundle: Bundle, artifact: Artifact) -> list[Array]:
    """A few samples as a source gives them, the same each time.

    Pictures are blocks of colour. Windows and arrays are the golden inputs, as real numbers: the
    model then works in its usual range.
    """
    spec = artifact.input
    rng = np.random.default_rng(0)
    if spec.picture is not None:
        height, width = spec.picture.height, spec.picture.width
        blocks = rng.integers(0, 256, (_COUNT, -(-height // _BLOCK), -(-width // _BLOCK), 3))
        tall = blocks.astype(np.uint8).repeat(_BLOCK, axis=1)[:, :height]
        return [np.ascontiguousarray(each) for each in tall.repeat(_BLOCK, axis=2)[:, :, :width]]
    golden = bundle.golden()
    inputs = golden.get(artifact.golden_inputs, golden.get("inputs"))
    if inputs is None:
        inputs = np.zeros((1, *spec.shape), spec.dtype)
    shape = spec.shape
    if spec.window is not None:
        shape = (spec.window.length, len(spec.window.columns))
    values = inputs if spec.quantization is None else dequantized(inputs, spec.quantization)
    return [value.reshape(shape) for value in values]
