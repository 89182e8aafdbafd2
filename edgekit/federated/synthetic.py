"""Generated data of clients that differ. Li et al., 2020, arXiv:1812.06127, section 5.1."""

import numpy as np

from edgekit.federated.clients import Clients

FEATURES, CLASSES = 60, 10


def synthetic(
    alpha: float, beta: float, *, clients: int = 30, seed: int = 0, most: int | None = None
) -> Clients:
    """The paper's Synthetic(alpha, beta): each client has its own linear model and its own inputs.

    Args:
        alpha: how much the clients' models differ.
        beta: how much their inputs differ.
        clients: how many; their numbers of samples follow a power law, from 50.
        seed: of everything.
        most: how many samples a client has at most; `None` for any number.

    Returns:
        Nine tenths of each client's samples, and the rest of all as test; float32 `[N, 60]` and
        int64 `[N]`.
    """
    rng = np.random.RandomState(seed)
    counts = rng.lognormal(4, 2, clients).astype(int) + 50
    counts = counts if most is None else np.minimum(counts, most)
    model_means = rng.normal(0, alpha, clients)
    input_means = rng.normal(0, beta, clients)
    deviations = np.arange(1, FEATURES + 1) ** -0.6
    learned, judged, parts, start = [], [], [], 0
    for number, count in enumerate(counts):
        center = rng.normal(input_means[number], 1, FEATURES)
        weights = rng.normal(model_means[number], 1, (FEATURES, CLASSES))
        bias = rng.normal(model_means[number], 1, CLASSES)
        x = center + rng.normal(size=(count, FEATURES)) * deviations
        y = (x @ weights + bias).argmax(axis=1)
        order, kept = rng.permutation(count), int(0.9 * count)
        learned.append((x[order[:kept]].astype(np.float32), y[order[:kept]]))
        judged.append((x[order[kept:]].astype(np.float32), y[order[kept:]]))
        parts.append(np.arange(start, start + kept))
        start += kept
    x, y = (np.concatenate(arrays) for arrays in zip(*learned, strict=True))
    test_x, test_y = (np.concatenate(arrays) for arrays in zip(*judged, strict=True))
    return Clients((x, y), parts, (test_x, test_y))
