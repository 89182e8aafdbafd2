"""A plain NumPy federation: the same perceptron, the same orders of samples, nothing shared."""

import numpy as np

from edgekit.array import Array
from edgekit.federated.clients import Clients

Weights = list[Array]
NAMES = ("w0", "b0", "w1", "b1")


def trained(
    weights: Weights,
    x: Array,
    y: Array,
    seed: int,
    *,
    epochs: int = 2,
    rate: float = 0.1,
    rows: int = 32,
    mu: float = 0.0,
    correction: Weights | None = None,
) -> tuple[Weights, int]:
    """Gradient descent by hand, the last batch of an epoch as short as it is; weights and steps."""
    rng = np.random.default_rng(seed)
    w0, b0, w1, b1 = (array.astype(np.float64) for array in weights)
    now, steps = [w0, b0, w1, b1], 0
    for _ in range(epochs):
        order = rng.permutation(len(y))
        for start in range(0, len(order), rows):
            batch = order[start : start + rows]
            before = now[0].T @ x[batch].T
            hidden = np.maximum(before.T + now[1], 0)
            logits = hidden @ now[2] + now[3]
            slope = np.exp(logits - logits.max(axis=1, keepdims=True))
            slope /= slope.sum(axis=1, keepdims=True)
            slope[np.arange(len(batch)), y[batch]] -= 1
            slope /= len(batch)
            back = (slope @ now[2].T) * (hidden > 0)
            slopes = [x[batch].T @ back, back.sum(0), hidden.T @ slope, slope.sum(0)]
            for number, array in enumerate(now):
                steered = slopes[number] + mu * (array - weights[number])
                if correction is not None:
                    steered = steered + correction[number]
                now[number] = array - rate * steered
            steps += 1
    return now, steps


def fedavg_accuracies(weights: Weights, clients: Clients, rounds: int) -> list[float]:
    """The accuracy after each round of McMahan et al., 2017, Algorithm 1, with all clients."""
    x, y = clients.arrays
    test_x, test_y = clients.test
    counts = np.array([len(part) for part in clients.parts], float)
    found = []
    for number in range(1, rounds + 1):
        local = [
            trained(weights, x[part], y[part], 1000 * number + client)[0]
            for client, part in enumerate(clients.parts)
        ]
        weights = [
            sum(w[i] * share for w, share in zip(local, counts / counts.sum(), strict=True)).astype(
                np.float32
            )
            for i in range(4)
        ]
        logits = np.maximum(test_x @ weights[0] + weights[1], 0) @ weights[2] + weights[3]
        found.append(float((logits.argmax(axis=1) == test_y).mean()))
    return found
