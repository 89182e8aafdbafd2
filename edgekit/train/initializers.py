"""Gives a model new parameters by chance, before it is trained from scratch."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.errors import InputError
from edgekit.graph.match import constant, int_of, is_op
from edgekit.train.trainable import is_bias, untie_vectors

Initializer = Callable[[np.random.Generator, int, int, int], Array]
"""Takes a generator, how many numbers a layer gives and takes, and at how many positions of its
kernel; gives weights `[outputs, inputs * positions]`."""


def glorot(rng: np.random.Generator, outputs: int, inputs: int, positions: int) -> Array:
    """Uniform, for tanh and sigmoid: signals and gradients keep their variance.

    Glorot and Bengio, 2010, "Understanding the difficulty of training deep feedforward networks".
    """
    limit = math.sqrt(6 / ((inputs + outputs) * positions))
    return rng.uniform(-limit, limit, (outputs, inputs * positions))


def he(rng: np.random.Generator, outputs: int, inputs: int, positions: int) -> Array:
    """Normal, for Relu, which halves the variance. He et al., 2015, arXiv:1502.01852."""
    return rng.normal(0, math.sqrt(2 / (inputs * positions)), (outputs, inputs * positions))


def orthogonal(rng: np.random.Generator, outputs: int, inputs: int, positions: int) -> Array:
    """Rows, or where there are more of them columns, at right angles and of length 1.

    Saxe et al., 2014, arXiv:1312.6120.
    """
    long, short = max(outputs, inputs * positions), min(outputs, inputs * positions)
    basis, triangle = np.linalg.qr(rng.normal(size=(long, short)))
    basis = basis * np.sign(np.diag(triangle))
    return basis if outputs >= inputs * positions else basis.T


INITIALIZERS: dict[str, Initializer] = {"glorot": glorot, "he": he, "orthogonal": orthogonal}
"""What each initialiser is called in a recipe."""


_WITH_BIAS = ("Conv", "ConvTranspose", "GRU", "Gemm", "LSTM")


def reinitialized(model: ir.Model, by: str = "he", *, seed: int = 0) -> ir.Model:
    """The model with new weights; biases are 0, and normalisations do nothing yet.

    Args:
        model: left as it is.
        by: a name in `INITIALIZERS`.
        seed: the same seed gives the same weights.

    Raises:
        InputError: there is no such initialiser.
    """
    if by not in INITIALIZERS:
        raise InputError(f"no initializer is called {by!r}; there are {', '.join(INITIALIZERS)}")
    model = model.clone()
    untie_vectors(model)
    done: set[ir.Value] = set()
    for node, index, value in _constants(model.graph):
        array = constant(value)
        if array is None or value in done:
            continue
        rng = np.random.default_rng((seed, len(done)))
        fresh = _fresh(node, index, array, INITIALIZERS[by], rng)
        if fresh is not None:
            value.const_value = ir.tensor(
                np.ascontiguousarray(fresh, array.dtype), name=str(value.name)
            )
            done.add(value)
    return model


def _constants(graph: ir.Graph) -> Iterator[tuple[ir.Node, int, ir.Value]]:
    for node in graph:
        for index, value in enumerate(node.inputs):
            if value is not None and value.is_initializer() and not value.is_graph_input():
                yield node, index, value


def _fresh(
    node: ir.Node, index: int, array: Array, make: Initializer, rng: np.random.Generator
) -> Array | None:
    """New numbers for one input of a node; `None` where it holds no parameter."""
    if is_op(node, "BatchNormalization", "InstanceNormalization", "LayerNormalization"):
        return np.full(array.shape, float(index in (1, 4)))
    if is_op(node, "PRelu"):
        return np.full(array.shape, 0.25)
    if is_op(node, *_WITH_BIAS) and index >= 2 and array.ndim < 3:
        return np.zeros(array.shape)
    if is_bias(node, index):
        return np.zeros(array.shape)
    if is_op(node, "Conv"):
        return _kernel(make, rng, array.shape)
    if is_op(node, "ConvTranspose"):
        into, out, *kernel = array.shape
        return _kernel(make, rng, (out, into, *kernel)).swapaxes(0, 1)
    if is_op(node, "LSTM", "GRU"):
        sides, gates, into = array.shape
        return np.stack([make(rng, gates, into, 1) for _ in range(sides)])
    if is_op(node, "MatMul", "Gemm") and array.ndim == 2:
        flips = int_of(node, "transB", 0) if index == 1 else 1 - int_of(node, "transA", 0)
        out, into = array.shape if flips else array.shape[::-1]
        made = make(rng, out, into, 1)
        return made if flips else made.T
    return None


def _kernel(make: Initializer, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    out, into, *kernel = shape
    return make(rng, out, into, math.prod(kernel)).reshape(shape)
