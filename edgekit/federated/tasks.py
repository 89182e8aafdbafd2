"""Tasks to simulate on that need no download: handwritten digits, and generated clients."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from edgekit.errors import InputError
from edgekit.federated.clients import Clients
from edgekit.federated.splits import split
from edgekit.federated.synthetic import CLASSES, FEATURES, synthetic
from edgekit.graph.build import GraphBuilder


@dataclass(frozen=True)
class Task:
    """What is learned, and by whom.

    Attributes:
        model: with the first global parameters, `w0`, `b0`, ...
        clients: and their samples.
    """

    model: ir.Model
    clients: Clients


def digits_task(clients: int, how: str, seed: int) -> Task:
    """The 1,797 digits of scikit-learn, 360 of them for the test, and a 64-32-10 perceptron.

    More clients than samples share samples: each then has 32, drawn by its own classes' shares.

    Args:
        clients: how many.
        how: a split, see `edgekit.federated.splits.split`.
        seed: of the split and of the first parameters.

    Raises:
        InputError: there is no such split, or there are too few samples for it.
    """
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    test, learned = order[:360], order[360:]
    distinct = min(clients, len(learned) // 2)
    parts = [np.sort(learned[part]) for part in split(how, y[learned], distinct, rng)]
    if clients > distinct:
        parts = [rng.choice(parts[number % distinct], 32) for number in range(clients)]
    return Task(perceptron((64, 32, 10), seed), Clients((x, y), parts, (x[test], y[test])))


def synthetic_task(
    clients: int, alpha: float, beta: float, seed: int, *, most: int | None = None
) -> Task:
    """FedProx's Synthetic(alpha, beta), and its multinomial logistic regression from zero."""
    data = synthetic(alpha, beta, clients=clients, seed=seed, most=most)
    return Task(perceptron((FEATURES, CLASSES), None), data)


def task_of(text: str, clients: int, how: str, seed: int) -> Task:
    """The task of a name: `digits`, or `synthetic:ALPHA,BETA` or `synthetic:ALPHA,BETA,MOST`.

    Generated clients bring their own samples, MOST at most.

    Raises:
        InputError: there is no such task.
    """
    kind, _, numbers = text.partition(":")
    if text == "digits":
        return digits_task(clients, how, seed)
    if kind == "synthetic":
        try:
            alpha, beta, *rest = (numbers or "1,1").split(",")
            most = max(int(rest.pop()), 50) if rest else None
            if not rest:
                return synthetic_task(clients, float(alpha), float(beta), seed, most=most)
        except ValueError:
            pass
    raise InputError(f"no task {text!r}; use digits or synthetic:ALPHA,BETA,MOST")


def perceptron(sizes: tuple[int, ...], seed: int | None) -> ir.Model:
    """Layers with Relu between them, x `[1, n]` to logits `[1, m]`; biases are zero.

    Args:
        sizes: of the layers, the inputs first.
        seed: of He's initialisation (2015, arXiv:1502.01852); `None` for weights of zero.
    """
    rng = np.random.default_rng(seed)
    build = GraphBuilder("perceptron")
    value = build.input("x", np.float32, (1, sizes[0]))
    for number, (n, m) in enumerate(pairwise(sizes)):
        drawn = np.zeros((n, m)) if seed is None else rng.normal(0, (2 / n) ** 0.5, (n, m))
        weights = build.constant(drawn.astype(np.float32), f"w{number}")
        bias = build.constant(np.zeros(m, np.float32), f"b{number}")
        value = build.op("Gemm", build.op("Relu", value) if number else value, weights, bias)
    return build.finish(logits=(value, np.float32, (1, sizes[-1])))
