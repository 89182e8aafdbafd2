"""Asks an encoder for the features of many samples."""

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.session import open_session
from edgekit.train.batching import with_batch

_ROWS = 64


def embed(encoder: ir.Model, inputs: Array, *, threads: int = 1) -> Array:
    """The features of samples.

    Args:
        encoder: one input; its first output is the features.
        inputs: `[N, ...]`, N at least 1, of the input's type.
        threads: how many compute.

    Returns:
        float32 `[N, F]`.

    Raises:
        InputError: there are no samples, or they do not fit the encoder.
        UnsupportedModel: the encoder cannot be batched.
    """
    if not len(inputs):
        raise InputError("there are no samples to embed")
    rows = min(_ROWS, len(inputs))
    session = open_session(with_batch(encoder, rows), threads=threads)
    given = session.get_inputs()[0]
    if tuple(given.shape[1:]) != inputs.shape[1:]:
        raise InputError(
            f"{given.name}: a sample is {list(inputs.shape[1:])}, "
            f"but the model takes {list(given.shape[1:])}"
        )
    output = session.get_outputs()[0].name
    found = []
    for start in range(0, len(inputs), rows):
        numbers = np.minimum(np.arange(start, start + rows), len(inputs) - 1)
        answer = session.run([output], {given.name: inputs[numbers]})[0]
        found.append(answer.reshape(rows, -1)[: len(inputs) - start])
    return np.concatenate(found)
