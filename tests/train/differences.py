"""Runs a loss alone: its value and gradient, and central differences of a NumPy reference."""

from collections.abc import Callable, Mapping

import numpy as np

from edgekit.array import Array
from edgekit.autodiff import gradients
from edgekit.graph.build import GraphBuilder
from edgekit.graph.session import open_session
from edgekit.graph.shapes import infer_shapes
from edgekit.train.building import StepBuilder
from edgekit.train.losses import Loss

STEP = 1e-6


def value_and_gradient(
    loss: Loss, output: Array, batch: Mapping[str, Array]
) -> tuple[Array, Array]:
    """The losses of each row of a model that gives out its input, and their mean's gradient."""
    build = GraphBuilder("nothing")
    x = build.input("x", np.float32, output.shape)
    model = build.finish(out=(build.op("Identity", x), np.float32, output.shape))
    step = StepBuilder(model, "loss")
    losses = loss.of_each(step, model.graph.outputs[0], list(model.graph.inputs))
    mean = step.op("ReduceMean", losses, keepdims=0)
    losses.name, mean.name = "losses", "loss"
    model.graph.outputs[:] = [mean, losses]
    infer_shapes(model)
    assert {spec.name for spec in step.batch} == set(batch)
    session = open_session(gradients(model, "loss", ["x"]))
    found: list[Array] = session.run(["losses", "grad(x)"], {"x": output, **batch})
    return found[0], found[1]


def check_loss(
    loss: Loss,
    output: Array,
    batch: Mapping[str, Array],
    reference: Callable[[Array], Array],
) -> None:
    """Asserts that a loss is what a reference in float64 says, and its gradient its differences."""
    losses, gradient = value_and_gradient(loss, output, batch)
    wide = output.astype(np.float64)
    np.testing.assert_allclose(losses, reference(wide), rtol=2e-5, atol=2e-6)
    expected = np.zeros_like(wide)
    for index in np.ndindex(wide.shape):
        moved = [wide.copy(), wide.copy()]
        moved[0][index] += STEP
        moved[1][index] -= STEP
        expected[index] = (reference(moved[0]).mean() - reference(moved[1]).mean()) / (2 * STEP)
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)
