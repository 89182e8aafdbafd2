"""How much an error inside a network matters to its answer."""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx_ir as ir

from edgekit.array import Array
from edgekit.autodiff.gradients import gradients
from edgekit.errors import UnsupportedModel
from edgekit.graph.match import is_op
from edgekit.graph.session import open_session

_DRAWS = 2
_RARE = 1e-6
_SEED = "seed_of_gradients"


def fisher_gradients(
    model: ir.Model, names: Sequence[str], tensors: Sequence[Array], *, seed: int = 0
) -> Iterator[dict[str, Array]]:
    """Gradients whose outer products average to the curvature of the answer's divergence.

    KL(p || p + d) is `d^T F d / 2` for small d, and F is the mean of `g g^T` over gradients `g` of
    random sums of log probabilities (Amari, 1998, Neural Computation 10:251-276). No labels are
    needed. For an answer that is no distribution, F is that of its squared error.

    Args:
        model: left as it is.
        names: of the values by which to differentiate.
        tensors: samples as the model takes them.
        seed: of the random sums.

    Yields:
        Gradients by name, twice for each sample.

    Raises:
        UnsupportedModel: an operator on the way has no derivative.
    """
    answer = model.graph.outputs[0]
    session = open_session(gradients(model, str(answer.name), names, seed=_SEED))
    plain = open_session(model)
    tensor_name = str(model.graph.inputs[0].name)
    outputs = [f"grad({name})" for name in names]
    probable = is_op(answer.producer(), "Softmax")
    rng = np.random.default_rng(seed)
    for tensor in tensors:
        scores = plain.run([answer.name], {tensor_name: tensor})[0]
        for _ in range(_DRAWS):
            signs = rng.choice(np.array([-1, 1], np.float32), size=scores.shape)
            weight = 1 / np.sqrt(np.maximum(scores, _RARE)) if probable else np.ones_like(scores)
            found = session.run(outputs, {tensor_name: tensor, _SEED: signs * weight})
            yield dict(zip(names, found, strict=True))


def output_importance(
    model: ir.Model, axes: dict[str, int], tensors: Sequence[Array]
) -> dict[str, Array]:
    """How much a squared error in each channel of some values matters to the answer.

    Args:
        model: left as it is.
        axes: the values, and along which axis their channels lie.
        tensors: samples; a few dozen are plenty.

    Returns:
        For each value, float64 `[channels]`; all ones where gradients cannot be had.
    """
    sums: dict[str, Array] = {}
    try:
        for found in fisher_gradients(model, list(axes), tensors):
            for name, axis in axes.items():
                squared = np.square(found[name], dtype=np.float64)
                others = tuple(o for o in range(squared.ndim) if o != axis % squared.ndim)
                sums[name] = sums.get(name, 0) + squared.sum(axis=others)
    except UnsupportedModel:
        shapes = {value.name: value.shape for node in model.graph for value in node.outputs}
        return {name: np.ones(int(shapes[name][axis])) for name, axis in axes.items()}  # type: ignore[index,arg-type]
    return {name: total / (_DRAWS * len(tensors)) for name, total in sums.items()}
