"""Each optimiser takes the steps that its formula in NumPy takes."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest

from edgekit.array import Array
from edgekit.graph.build import GraphBuilder
from edgekit.train import Step, compile_step
from edgekit.train.engine import StepRunner
from edgekit.train.losses import CrossEntropy, Mse
from edgekit.train.optimizers import Adam, AdamW, Optimizer, RmsProp, Sgd
from edgekit.train.optimizers.optimizer import SMALL
from tests.train.models import mlp

STEPS = 20
RATE = 0.01
Update = Callable[[Array, Array], Array]


def sgd(momentum: float, nesterov: bool) -> Update:
    velocity = np.zeros(())

    def update(w: Array, g: Array) -> Array:
        nonlocal velocity
        velocity = momentum * velocity + g
        return w - RATE * (g + momentum * velocity if nesterov else velocity)

    return update


def rmsprop(momentum: float = 0.0) -> Update:
    square, velocity = np.zeros(()), np.zeros(())

    def update(w: Array, g: Array) -> Array:
        nonlocal square, velocity
        square = 0.99 * square + 0.01 * g**2
        velocity = momentum * velocity + g / (np.sqrt(square) + 1e-8)
        return w - RATE * velocity

    return update


def adam(decay: float = 0.0) -> Update:
    first, second, count = np.zeros(()), np.zeros(()), 0

    def update(w: Array, g: Array) -> Array:
        nonlocal first, second, count
        count += 1
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        mean, square = first / (1 - 0.9**count), second / (1 - 0.999**count)
        return w * (1 - RATE * decay) - RATE * mean / (np.sqrt(square) + 1e-8)

    return update


CASES: Sequence[tuple[Optimizer, Callable[[], Update]]] = [
    (Sgd(), lambda: sgd(0, False)),
    (Sgd(momentum=0.9), lambda: sgd(0.9, False)),
    (Sgd(momentum=0.9, nesterov=True), lambda: sgd(0.9, True)),
    (RmsProp(), rmsprop),
    (RmsProp(momentum=0.5), lambda: rmsprop(0.5)),
    (Adam(), adam),
    (AdamW(decay=0.1), lambda: adam(0.1)),
]


def batches() -> Iterator[tuple[Array, Array]]:
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        yield rng.normal(size=(8, 6)).astype(np.float32), rng.normal(size=(8, 3)).astype(np.float32)


def slopes(w: dict[str, Array], x: Array, target: Array) -> dict[str, Array]:
    """The gradient of the mean squared error of a perceptron with one hidden layer."""
    hidden = np.maximum(x @ w["w0"] + w["b0"], 0)
    error = 2 * (hidden @ w["w1"] + w["b1"] - target) / target.size
    back = (error @ w["w1"].T) * (hidden > 0)
    return {
        "w0": x.T @ back,
        "b0": back.sum(axis=0),
        "w1": hidden.T @ error,
        "b1": error.sum(axis=0),
    }


def trained(step: Step) -> dict[str, Array]:
    runner = StepRunner(step)
    for batch in batches():
        runner.run(batch, RATE)
    return {name: runner.carried[name] for name in step.parameters}


def expected(
    step: Step,
    update: Callable[[], Update],
    change: Callable[[dict[str, Array], dict[str, Array]], dict[str, Array]] = lambda w, g: g,
) -> dict[str, Array]:
    w = {name: array.astype(np.float64) for name, array in step.parameters.items()}
    updates = {name: update() for name in w}
    for x, target in batches():
        g = change(w, slopes(w, x.astype(np.float64), target.astype(np.float64)))
        w = {name: updates[name](array, g[name]) for name, array in w.items()}
    return w


def check(found: dict[str, Array], wanted: dict[str, Array]) -> None:
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, rtol=2e-5, atol=2e-6)


def step_of(optimizer: Optimizer, *, hidden: int = 5) -> Step:
    return compile_step(mlp((6, hidden, 3), softmax=False), Mse(), optimizer, rows=8)


@pytest.mark.parametrize(("optimizer", "update"), CASES, ids=lambda value: repr(value)[:60])
def test_twenty_steps_are_the_formulas(optimizer: Optimizer, update: Callable[[], Update]) -> None:
    step = step_of(optimizer)
    check(trained(step), expected(step, update))


def clipped(w: dict[str, Array], g: dict[str, Array]) -> dict[str, Array]:
    norm = np.sqrt(sum((value**2).sum() for value in g.values()))
    return {name: value * min(1, 0.5 / norm) for name, value in g.items()}


@pytest.mark.parametrize("hidden", [5, 3000])
def test_the_gradients_of_all_parameters_are_clipped_together(hidden: int) -> None:
    step = step_of(Sgd(momentum=0.9, clip_norm=0.5), hidden=hidden)
    assert len(step.state) == (1 if hidden == 5 else 2)
    check(trained(step), expected(step, lambda: sgd(0.9, False), clipped))


def test_penalties_are_added_to_the_gradient() -> None:
    def penalised(w: dict[str, Array], g: dict[str, Array]) -> dict[str, Array]:
        return {name: g[name] + 0.1 * w[name] + 0.01 * np.sign(w[name]) for name in w}

    step = step_of(Sgd(l1=0.01, l2=0.1))
    check(trained(step), expected(step, lambda: sgd(0, False), penalised))


def test_a_large_parameter_that_ends_in_an_axis_of_1_is_updated_as_a_vector() -> None:
    build = GraphBuilder("narrow")
    weights = np.random.default_rng(0).normal(0, 0.1, (SMALL, 1)).astype(np.float32)
    y = build.op(
        "MatMul", build.input("x", np.float32, (1, SMALL)), build.constant(weights, "weights")
    )
    model = build.finish(y=(y, np.float32, (1, 1)))
    step = compile_step(model, Mse(), Sgd(momentum=0.9), rows=1)
    assert [spec.shape for spec in step.state] == [(SMALL,)]
    x, target = np.full((1, SMALL), 1e-3, np.float32), np.ones((1, 1), np.float32)
    update, w = sgd(0.9, False), weights.astype(np.float64)
    runner = StepRunner(step)
    for _ in range(STEPS):
        w = update(w, 2 * (x @ w - target) * x.T)
        runner.run((x, target), RATE)
    np.testing.assert_allclose(runner.carried["weights"], w, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("optimizer", "name", "settings"),
    [
        (Sgd(momentum=0.9), "SGD", {"momentum": 0.9}),
        (Sgd(momentum=0.9, nesterov=True), "SGD", {"momentum": 0.9, "nesterov": True}),
        (Sgd(l2=0.1), "SGD", {"weight_decay": 0.1}),
        (RmsProp(), "RMSprop", {}),
        (RmsProp(momentum=0.5), "RMSprop", {"momentum": 0.5}),
        (Adam(), "Adam", {}),
        (Adam(l2=0.1), "Adam", {"weight_decay": 0.1}),
        (AdamW(), "AdamW", {}),
        (AdamW(clip_norm=0.5), "AdamW", {}),
    ],
)
def test_twenty_steps_are_pytorchs(
    optimizer: Optimizer, name: str, settings: dict[str, object]
) -> None:
    torch = pytest.importorskip("torch")
    step = step_of(optimizer)
    w = {key: torch.tensor(array, requires_grad=True) for key, array in step.parameters.items()}
    peer = getattr(torch.optim, name)(w.values(), lr=RATE, **settings)
    for x, target in batches():
        peer.zero_grad()
        hidden = torch.relu(torch.tensor(x) @ w["w0"] + w["b0"])
        output = hidden @ w["w1"] + w["b1"]
        torch.nn.functional.mse_loss(output, torch.tensor(target)).backward()
        if optimizer.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(w.values(), optimizer.clip_norm)
        peer.step()
    check(trained(step), {key: value.detach().numpy() for key, value in w.items()})


def test_a_step_of_the_digits_perceptron_stays_small() -> None:
    step = compile_step(mlp(), CrossEntropy(), Adam(), rows=32)
    assert len(list(step.step.graph)) < 60
