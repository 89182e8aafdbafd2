"""Finds what is left to do after the last int8 tensor, from the bundle's output backwards."""

from dataclasses import dataclass

import numpy as np

from edgekit.array import Array
from edgekit.convert.c.reading import Network, Operator, Tensor
from edgekit.errors import UnsupportedModel

_SHAPES = frozenset({"EXPAND_DIMS", "RESHAPE", "SQUEEZE"})
_ACTIVATIONS = {0: (-np.inf, np.inf), 1: (0.0, np.inf), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
_ADVICE = "end in a dense layer, its softmax or a mean, or read the int8 output in the firmware"


@dataclass(frozen=True)
class Head:
    """A dense layer whose sums of integers are given as real numbers.

    Attributes:
        source: the int8 tensor it reads.
        rows: int8 `[width, depth]`.
        offset: int32, what takes the zero point of `source` out.
        scales: float32, what a sum is multiplied by.
        bias: float32.
        low: the least that its activation lets through.
        high: the greatest.
    """

    source: Tensor
    rows: Array
    offset: Array
    scales: Array
    bias: Array
    low: float
    high: float


@dataclass(frozen=True)
class Answer:
    """What becomes of the last tensor.

    Attributes:
        target: the tensor that `run` gives: int8, or the floats of a head.
        head: the dense layer that gives it, where it is float.
        softmax: whether probabilities are made of it.
        mean: whether its mean is the answer.
    """

    target: Tensor
    head: Head | None
    softmax: bool
    mean: bool


def find_answer(network: Network, output: str) -> Answer:
    """Walks from an output back to the last int8 tensor, or to the head after it.

    Raises:
        UnsupportedModel: there is no such output, or an operator that C has not.
    """
    named = [index for index in network.outputs if network.tensors[index].name == output]
    if not named:
        raise UnsupportedModel(f"gives no {output!r}, which the manifest names")
    tensor, softmax, mean = network.tensors[named[0]], False, False
    while not tensor.is_int8 or _is_softmax(network, tensor):
        op = network.maker(tensor.index)
        if op is None:
            raise UnsupportedModel(
                "has no int8 between its input and its output: quantise it "
                '(a recipe step with do = "quantize") and export that bundle'
            )
        if op.code == "FULLY_CONNECTED" and not tensor.is_int8:
            return Answer(tensor, _head(network, op), softmax, mean)
        if op.code == "SOFTMAX" and not mean and not softmax and op.options.beta == 1:
            softmax = True
        elif op.code == "MEAN" and tensor.size == 1 and not softmax and not mean:
            mean = True
        elif op.code not in _SHAPES and op.code != "DEQUANTIZE":
            raise op.unsupported("in float after the last int8", _ADVICE)
        tensor = network.tensors[op.inputs[0]]
    return Answer(tensor, None, softmax, mean)


def _is_softmax(network: Network, tensor: Tensor) -> bool:
    op = network.maker(tensor.index)
    return op is not None and op.code == "SOFTMAX"


def _head(network: Network, op: Operator) -> Head:
    advice = "let the recipe's quantize step take that layer too"
    source = network.tensors[op.inputs[0]]
    while not source.is_int8:
        before = network.maker(source.index)
        if before is None or before.code not in (*_SHAPES, "DEQUANTIZE"):
            raise op.unsupported("in float", advice)
        source = network.tensors[before.inputs[0]]
    weights = network.tensors[op.inputs[1]]
    maker = network.maker(weights.index)
    if maker is not None and maker.code == "DEQUANTIZE":
        weights = network.tensors[maker.inputs[0]]
    activation = _ACTIVATIONS.get(op.options.fusedActivationFunction)
    data = weights.data
    if data is None or data.dtype != np.int8 or weights.zero_points.any() or activation is None:
        raise op.unsupported("in float", advice)
    if source.size != data.shape[1]:
        raise op.unsupported("of several rows in float", advice)
    given = network.tensors[op.inputs[2]].data if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    sums = data.astype(np.int64).sum(1)
    return Head(
        source,
        data,
        (-source.zero_point * sums).astype(np.int32),
        np.broadcast_to(source.scale * weights.scales, len(data)).astype(np.float32),
        np.zeros(len(data), np.float32) if given is None else given.astype(np.float32).ravel(),
        *activation,
    )
