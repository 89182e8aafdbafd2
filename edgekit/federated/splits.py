"""Divides samples among clients, evenly or not."""

from collections.abc import Sequence

import numpy as np

from edgekit.array import Array
from edgekit.errors import InputError


def even(labels: Array, clients: int, rng: np.random.Generator) -> list[Array]:
    """Shuffled samples, as many for each client: all clients see the same world."""
    _require(labels, clients)
    return np.array_split(rng.permutation(len(labels)), clients)


def dirichlet(
    labels: Array, clients: int, alpha: float, rng: np.random.Generator, *, least: int = 1
) -> list[Array]:
    """Each class divided among the clients by a draw from Dirichlet(alpha).

    Hsu et al., 2019, arXiv:1909.06335, with the classes' draws of Yurochkin et al., 2019,
    arXiv:1905.12022. Whoever is left with fewer than `least` gets them from whoever has most.

    Args:
        labels: int64 `[samples]`.
        clients: how many.
        alpha: above 0; the smaller, the fewer classes each client sees.
        rng: of each class's shares; who comes first gets the first samples of it.
        least: how many samples each client has at least.

    Raises:
        InputError: there are too few samples.
    """
    _require(labels, clients * least)
    parts: list[list[int]] = [[] for _ in range(clients)]
    for label in np.unique(labels):
        numbers = np.flatnonzero(labels == label)
        shares = rng.dirichlet(np.full(clients, alpha))
        cuts = (np.cumsum(shares)[:-1] * len(numbers)).astype(int)
        for part, more in zip(parts, np.split(numbers, cuts), strict=True):
            part.extend(more.tolist())
    for part in parts:
        while len(part) < least:
            part.append(max(parts, key=len).pop())
    return [np.array(part, np.int64) for part in parts]


def pathological(labels: Array, clients: int, shards: int, rng: np.random.Generator) -> list[Array]:
    """Samples sorted by class and cut into shards, of which each client gets some at random.

    McMahan et al., 2017, arXiv:1602.05629: with two shards most clients see two classes.

    Args:
        labels: int64 `[samples]`.
        clients: how many.
        shards: how many each gets.
        rng: of who gets which.

    Raises:
        InputError: there are too few samples.
    """
    _require(labels, clients * shards)
    order = np.argsort(labels, kind="stable")
    pieces: Sequence[Array] = np.array_split(order, clients * shards)
    given = rng.permutation(clients * shards).reshape(clients, shards)
    return [np.concatenate([pieces[number] for number in row]) for row in given]


def split(text: str, labels: Array, clients: int, rng: np.random.Generator) -> list[Array]:
    """The split of a name: `even`, `dirichlet:ALPHA` or `pathological:SHARDS`.

    Raises:
        InputError: there is no such split, or too few samples.
    """
    kind, _, number = text.partition(":")
    try:
        if kind == "even" and not number:
            return even(labels, clients, rng)
        if kind == "dirichlet" and 0 < float(number) < np.inf:
            return dirichlet(labels, clients, float(number), rng)
        if kind == "pathological" and int(number) > 0:
            return pathological(labels, clients, int(number), rng)
    except ValueError:
        pass
    raise InputError(f"no split {text!r}; use even, dirichlet:ALPHA or pathological:SHARDS")


def _require(labels: Array, needed: int) -> None:
    if len(labels) < needed:
        raise InputError(f"{len(labels)} samples are not enough, {needed} are needed")
